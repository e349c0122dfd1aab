#!/usr/bin/env bash
# Unpacks hdrq-gpu beside this file unless that has been done, finds the libtorch of the machine's PyTorch (or the one in
# the folders that LIBTORCH names, with colons between), and runs the program:
#   run.sh [arguments of hdrq-gpu; --help says them]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
archive=$here/hdrq-gpu.tar.xz
if [ -n "${LIBTORCH:-}" ]; then
    folders=$LIBTORCH
else
    # PyTorch's packages for CUDA keep NVIDIA's libraries in folders of their own.
    folders=$(python3 - 2> /dev/null <<'PYTHON'
import glob, importlib.util, os
torch = os.path.dirname(importlib.util.find_spec("torch").origin)
nvidia = glob.glob(os.path.join(os.path.dirname(torch), "nvidia", "**", "lib"), recursive=True)
print(":".join([os.path.join(torch, "lib"), *sorted(nvidia)]))
PYTHON
    ) || { echo "python3 finds no PyTorch here: set LIBTORCH to the folder of libtorch's libraries." >&2; exit 2; }
fi
# A folder for each archive, which appears whole: several may start at once, and an archive may be half copied.
app=${HDRQ_GPU_FOLDER:-$here}/hdrq-gpu-$(cksum < "$archive" | cut -d ' ' -f 1)
if [ ! -d "$app" ]; then
    mkdir -p "$(dirname "$app")"
    work=$(mktemp -d "$app.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    tar -C "$work" -xJf "$archive" || { echo "$archive is damaged: copy it again." >&2; exit 2; }
    chmod 755 "$work"
    mv -T "$work" "$app" 2> /dev/null || [ -d "$app" ]
    rm -rf "$work"
    trap - EXIT
fi
export LD_LIBRARY_PATH="$folders${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export DOTNET_gcServer=0 ORT_DISABLE_TELEMETRY=1
exec "$app/hdrq-gpu" "$@"
