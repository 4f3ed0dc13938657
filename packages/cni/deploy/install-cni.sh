#!/bin/sh
# Installs the CNI plugin on a node: install-cni.sh DIRECTORY [AS_SEEN_BY_THE_KUBELET]. The plugin is one file; Node is copied beside it
# and named in its first line, so that nothing has to be in the kubelet's PATH. Both are there as a whole or not at all.
set -eu
directory=$1
seen=${2:-$directory}
plugin=$(cd "$(dirname "$0")/.." && pwd)/dist/vio-cni.cjs

mkdir -p "$directory/.vio"
cp "$(command -v node)" "$directory/.vio/node.new"
chmod 755 "$directory/.vio/node.new"
mv "$directory/.vio/node.new" "$directory/.vio/node"
{
  echo "#!$seen/.vio/node"
  sed 1d "$plugin"
} >"$directory/.vio/vio-cni.new"
chmod 755 "$directory/.vio/vio-cni.new"
mv "$directory/.vio/vio-cni.new" "$directory/vio-cni"
