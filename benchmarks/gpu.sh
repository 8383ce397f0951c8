#!/usr/bin/env bash
# All figures of the engines that need a GPU, in one command, on a machine where nothing of this package is installed:
#
#     benchmarks/gpu.sh [FOLDER]
#
# Needs python3 with torch (built for CUDA), safetensors, numpy, opencv and tqdm; what else it finds of ONNX Runtime with
# CUDA or TensorRT is measured too. Writes into FOLDER (docs/figures if left out), with the GPU's name in NAME:
#
#     gpu-NAME-equality.json   distance of every engine from its network in float64
#     gpu-NAME.json            times on the GPU, as shares of camf-paper in PyTorch's float32
#
# PYTHON=... names another interpreter. Exit status: 2 if something is missing, 1 if an engine gives a wrong answer.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
folder=${1:-docs/figures}
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"

if ! command -v "$python" >/dev/null; then
    echo "gpu.sh: there is no $python; name an interpreter with PYTHON=..." >&2
    exit 2
fi
for module in torch safetensors numpy cv2 tqdm; do
    if ! reason=$("$python" -c "import $module" 2>&1); then
        echo "gpu.sh: $python cannot import $module: ${reason##*$'\n'}" >&2
        exit 2
    fi
done
if ! name=$("$python" - <<'PYTHON'
import re
import sys

import torch

if not torch.cuda.is_available():
    sys.exit(f"gpu.sh: PyTorch {torch.__version__} sees no GPU here; nothing can be measured")
print(re.sub(r"[^a-z0-9]+", "-", torch.cuda.get_device_name().lower()).strip("-"))
PYTHON
); then
    exit 2
fi

mkdir -p "$folder"
status=0
"$python" benchmarks/equality.py --device cuda --json "$folder/gpu-$name-equality.json" || status=$?
"$python" benchmarks/engines.py --device cuda --reference camf-paper/torch/float32 \
    --precisions auto,float32,bfloat16,float16 --json "$folder/gpu-$name.json" --quiet || status=$?
exit "$status"
