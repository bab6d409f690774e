#!/usr/bin/env bash
# What must not move when code is rearranged: float images and artefacts of the embedded model, made by one binary.
#   Benchmarks/bits/make.sh BINARY FOLDER [RECIPE…]
# Make one folder by the program before a change and one by the program after it, then call compare.py.
# Calibration sets are made in each folder anew: they are part of what must not move.
set -euo pipefail
binary=$(realpath "$1")
folder=$2
shift 2
recipes=("$@")
[ ${#recipes[@]} -gt 0 ] || recipes=(rtn-w8a8 ptq4dm-w8a8 gptq-w4a8 qdrop-w4a8 halftone-w8a8)
mkdir -p "$folder"
"$binary" sample fashion-mnist-ddpm --sampler ddim-50 --count 8 --out "$folder/float" --quiet
for recipe in "${recipes[@]}"; do
  "$binary" quantize fashion-mnist-ddpm --recipe "$recipe" --effort fast --out "$folder/$recipe.safetensors" --quiet
  "$binary" sample "$folder/$recipe.safetensors" --count 8 --out "$folder/images-$recipe" --quiet
done
