#!/usr/bin/env bash
# Publishes hdrq-gpu for a machine that has no .NET, without libtorch, and packs it:
#   pack.sh FOLDER      makes FOLDER/hdrq-gpu.tar.xz and FOLDER/run.sh, about 45 MB
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
target=$(mkdir -p "$1" && cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

dotnet publish "$here" -c Release -r linux-x64 --self-contained -o "$work/app" --nologo -v quiet
cd "$work/app"
# The machine's own libtorch takes the place of the CPU's; the rest is for debuggers.
rm -f libtorch*.so libc10.so libgomp* libshm.so ./*.dbg ./*.pdb ./*.xml libmscordbi.so libmscordaccore.so \
    libclrgc*.so libcoreclrtraceptprovider.so
tar -cf - . | xz -T2 -3 > "$target/hdrq-gpu.tar.xz"
cp "$here/run.sh" "$target/run.sh"
ls -l "$target/hdrq-gpu.tar.xz"
