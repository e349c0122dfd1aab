#!/usr/bin/env bash
# Unpacks hdrq-gpu beside this file unless that has been done, finds the libtorch of the machine's PyTorch (or the one in
# the folder that LIBTORCH names), and runs the program:
#   run.sh [arguments of hdrq-gpu]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
app=${HDRQ_GPU_FOLDER:-$here/hdrq-gpu}
if [ ! -x "$app/hdrq-gpu" ]; then
    mkdir -p "$app"
    tar -C "$app" -xJf "$here/hdrq-gpu.tar.xz"
fi
if [ -n "${LIBTORCH:-}" ]; then
    folders=$LIBTORCH
else
    # PyTorch's packages for CUDA keep NVIDIA's libraries in folders of their own.
    folders=$(python3 - <<'PYTHON'
import glob, importlib.util, os
torch = os.path.dirname(importlib.util.find_spec("torch").origin)
nvidia = glob.glob(os.path.join(os.path.dirname(torch), "nvidia", "**", "lib"), recursive=True)
print(":".join([os.path.join(torch, "lib"), *sorted(nvidia)]))
PYTHON
)
fi
export LD_LIBRARY_PATH="$folders${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export DOTNET_gcServer=0 ORT_DISABLE_TELEMETRY=1
exec "$app/hdrq-gpu" "$@"
