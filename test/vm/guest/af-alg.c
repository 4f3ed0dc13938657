// Ciphers of this machine's kernel by AF_ALG, which Node has no socket for. Each line of standard input is one request,
// `enc` or `dec`, key, IV and data in hexadecimal, with a session of its own; each line of the output is what came of it, or
// `error` with its number. Arguments: name of the driver.
#include <errno.h>
#include <linux/if_alg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef SOL_ALG
#define SOL_ALG 279
#endif

enum { max_bytes = 65536 };

static char line[2 * max_bytes + 512];
static unsigned char data[max_bytes];

static const char digits[] = "0123456789abcdef";

static unsigned digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

static size_t from_hex(const char *hex, unsigned char *bytes) {
  size_t count = strlen(hex) / 2;
  for (size_t i = 0; i < count; i++) bytes[i] = digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]);
  return count;
}

static int cipher(int operation, const char *driver, const unsigned char *key, size_t key_bytes,
                  const unsigned char *iv, size_t iv_bytes, size_t bytes) {
  struct sockaddr_alg address = {.salg_family = AF_ALG, .salg_type = "skcipher"};
  strncpy((char *)address.salg_name, driver, sizeof address.salg_name - 1);
  char control[CMSG_SPACE(sizeof(unsigned)) + CMSG_SPACE(sizeof(struct af_alg_iv) + 64)] = {0};
  struct iovec part = {.iov_base = data, .iov_len = bytes};
  struct msghdr message = {
      .msg_control = control, .msg_controllen = sizeof control, .msg_iov = &part, .msg_iovlen = 1};
  int result = 0, session = -1, transform = socket(AF_ALG, SOCK_SEQPACKET, 0);
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_ALG;
  header->cmsg_type = ALG_SET_OP;
  header->cmsg_len = CMSG_LEN(sizeof(unsigned));
  *(unsigned *)CMSG_DATA(header) = operation;
  header = CMSG_NXTHDR(&message, header);
  header->cmsg_level = SOL_ALG;
  header->cmsg_type = ALG_SET_IV;
  header->cmsg_len = CMSG_LEN(sizeof(struct af_alg_iv) + iv_bytes);
  struct af_alg_iv *value = (struct af_alg_iv *)CMSG_DATA(header);
  value->ivlen = iv_bytes;
  memcpy(value->iv, iv, iv_bytes);
  message.msg_controllen = CMSG_SPACE(sizeof(unsigned)) + CMSG_SPACE(sizeof(struct af_alg_iv) + iv_bytes);
  if (transform < 0 || bind(transform, (struct sockaddr *)&address, sizeof address) < 0 ||
      setsockopt(transform, SOL_ALG, ALG_SET_KEY, key, key_bytes) < 0 ||
      (session = accept(transform, NULL, 0)) < 0 || sendmsg(session, &message, 0) != (ssize_t)bytes ||
      read(session, data, bytes) != (ssize_t)bytes)
    result = errno == 0 ? EIO : errno;
  if (session >= 0) close(session);
  if (transform >= 0) close(transform);
  return result;
}

int main(int count, char **arguments) {
  if (count != 2) return 2;
  while (fgets(line, sizeof line, stdin) != NULL) {
    unsigned char key[64], iv[64];
    char *word[4];
    size_t words = 0;
    for (char *at = strtok(line, " \n"); at != NULL && words < 4; at = strtok(NULL, " \n")) word[words++] = at;
    if (words != 4 || strlen(word[1]) > 128 || strlen(word[2]) > 64) return 2;
    size_t key_bytes = from_hex(word[1], key), iv_bytes = from_hex(word[2], iv), bytes = from_hex(word[3], data);
    errno = 0;
    int result = cipher(strcmp(word[0], "enc") == 0 ? ALG_OP_ENCRYPT : ALG_OP_DECRYPT, arguments[1], key,
                        key_bytes, iv, iv_bytes, bytes);
    if (result != 0) printf("error %d\n", result);
    else {
      for (size_t i = 0; i < bytes; i++) putchar(digits[data[i] >> 4]), putchar(digits[data[i] & 15]);
      putchar('\n');
    }
  }
  return 0;
}
