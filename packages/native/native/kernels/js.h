// What a kernel needs of Node-API to be made and held by JavaScript, in node-addon-api's words and meaning. That itself is 14,000 lines
// and most of the standard library: to read them is half of what compiling a kernel took.
#pragma once

#include <node_api.h>

#include <cstdint>
#include <cstdio>
#include <type_traits>
#include <utility>

namespace vio {

// system.cc: throws an error with `errno` and `syscall`.
void ThrowSystemError(napi_env env, const char* syscall, int error);

namespace js {

// Thrown when a call of Node-API failed, or JavaScript's exception is pending already.
struct Failure {};

inline void Check(napi_status status) {
  if (status != napi_ok) throw Failure();
}

class Env {
 public:
  Env(napi_env env) : env_(env) {}
  operator napi_env() const { return env_; }

 private:
  napi_env env_;
};

class Value {
 public:
  Value(napi_env env, napi_value value) : env_(env), value_(value) {}
  operator napi_value() const { return value_; }
  js::Env Env() const { return env_; }
  template <typename T>
  T As() const {
    return T(env_, value_);
  }
  bool IsObject() const { return Type() == napi_object; }
  bool IsNull() const { return Type() == napi_null; }
  bool IsUndefined() const { return Type() == napi_undefined; }
  bool IsTypedArray() const {
    bool is;
    Check(napi_is_typedarray(env_, value_, &is));
    return is;
  }

 protected:
  napi_env env_;
  napi_value value_;

 private:
  napi_valuetype Type() const {
    napi_valuetype type;
    Check(napi_typeof(env_, value_, &type));
    return type;
  }
};

class Number : public Value {
 public:
  using Value::Value;
  static Number New(napi_env env, double number) {
    napi_value value;
    Check(napi_create_double(env, number, &value));
    return Number(env, value);
  }
  int32_t Int32Value() const {
    int32_t number;
    Check(napi_get_value_int32(env_, value_, &number));
    return number;
  }
  int64_t Int64Value() const {
    int64_t number;
    Check(napi_get_value_int64(env_, value_, &number));
    return number;
  }
};

class Object : public Value {
 public:
  using Value::Value;
  static Object New(napi_env env) {
    napi_value value;
    Check(napi_create_object(env, &value));
    return Object(env, value);
  }
  Value Get(const char* name) const {
    napi_value value;
    Check(napi_get_named_property(env_, value_, name, &value));
    return Value(env_, value);
  }
  void Set(const char* name, napi_value value) const { Check(napi_set_named_property(env_, value_, name, value)); }
};

class ArrayBuffer : public Value {
 public:
  using Value::Value;
  void* Data() const {
    void* data;
    Check(napi_get_arraybuffer_info(env_, value_, &data, nullptr));
    return data;
  }
};

template <typename T>
class TypedArrayOf : public Value {
 public:
  TypedArrayOf(napi_env env, napi_value value) : Value(env, value) {
    void* data;
    Check(napi_get_typedarray_info(env, value, nullptr, &length_, &data, nullptr, nullptr));
    data_ = static_cast<T*>(data);
  }
  T* Data() const { return data_; }
  size_t ElementLength() const { return length_; }

 private:
  T* data_;
  size_t length_;
};
using Uint8Array = TypedArrayOf<uint8_t>;
using Int32Array = TypedArrayOf<int32_t>;
using Float64Array = TypedArrayOf<double>;

// Keeps a value from the garbage collector.
class Reference {
 public:
  Reference() = default;
  Reference(napi_env env, napi_value value) : env_(env) { Check(napi_create_reference(env, value, 1, &reference_)); }
  Reference(Reference&& other) noexcept : env_(other.env_), reference_(std::exchange(other.reference_, nullptr)) {}
  Reference& operator=(Reference&& other) noexcept {
    std::swap(env_, other.env_);
    std::swap(reference_, other.reference_);
    return *this;
  }
  ~Reference() { Reset(); }
  void Reset() {
    if (reference_ != nullptr) napi_delete_reference(env_, std::exchange(reference_, nullptr));
  }

 private:
  napi_env env_ = nullptr;
  napi_ref reference_ = nullptr;
};

inline Reference Persistent(const Value& value) { return Reference(value.Env(), value); }

class CallbackInfo {
 public:
  CallbackInfo(napi_env env, napi_callback_info info) : env_(env) {
    size_t count = kMost;
    Check(napi_get_cb_info(env, info, &count, arguments_, &self_, &data_));
  }
  js::Env Env() const { return env_; }
  void* Data() const { return data_; }
  Value This() const { return Value(env_, self_); }
  // One that was not given is undefined.
  Value operator[](size_t at) const { return Value(env_, arguments_[at]); }

 private:
  static constexpr size_t kMost = 4;
  napi_env env_;
  napi_value arguments_[kMost];
  napi_value self_;
  void* data_;
};

template <auto kCallback>
napi_value Call(napi_env env, napi_callback_info info) {
  try {
    const CallbackInfo call(env, info);
    if constexpr (std::is_void_v<decltype(kCallback(call))>) kCallback(call);
    else return kCallback(call);
  } catch (const Failure&) {
    // An environment that ends refuses whatever it is asked.
    bool pending = false;
    napi_is_exception_pending(env, &pending);
    if (!pending) napi_throw_type_error(env, nullptr, "an argument is not what it should be");
  }
  return nullptr;
}

class Function : public Object {
 public:
  using Object::Object;
  template <auto kCallback>
  static Function New(napi_env env, const char* name, void* data = nullptr) {
    return Bare(env, name, Call<kCallback>, data);
  }
  // Of a callback that is called for every burst.
  static Function Bare(napi_env env, const char* name, napi_callback callback, void* data) {
    napi_value value;
    Check(napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, data, &value));
    return Function(env, value);
  }
};

// For the module's beginning: an environment that ends is not told what is in it.
template <auto kCallback>
void Export(napi_env env, napi_value exports, const char* name) {
  try {
    Object(env, exports).Set(name, Function::New<kCallback>(env, name));
  } catch (const Failure&) {
  }
}

// A value that lives as long as `data` is needed, and deletes it.
template <typename T>
class External : public Value {
 public:
  using Value::Value;
  using Finalizer = void (*)(T*);
  static External New(napi_env env, T* data, Finalizer finalize = [](T* it) { delete it; }) {
    napi_value value;
    const auto call = [](napi_env, void* it, void* how) { reinterpret_cast<Finalizer>(how)(static_cast<T*>(it)); };
    Check(napi_create_external(env, data, call, reinterpret_cast<void*>(finalize), &value));
    return External(env, value);
  }
};

// What is thrown: JavaScript's exception is pending then. `name` ends the sentence.
inline Failure RangeError(napi_env env, const char* what, const char* name = "") {
  char text[128];
  snprintf(text, sizeof text, "%s%s", what, name);
  napi_throw_range_error(env, nullptr, text);
  return {};
}

inline Failure TypeError(napi_env env, const char* what) {
  napi_throw_type_error(env, nullptr, what);
  return {};
}

}  // namespace js

inline int Int(const js::Value& value) { return value.As<js::Number>().Int32Value(); }

}  // namespace vio
