#!/bin/sh
# The demo: train a small CycleGAN on satellite photos and maps, translate the test images, and measure the results.
# For another seed: SEED=2 sh scripts/demo.sh
set -e
# On the CPU, let glibc keep freed tensors below 16 MiB for the next step instead of returning them to the system.
export MALLOC_MMAP_THRESHOLD_=16777216 MALLOC_TRIM_THRESHOLD_=1073741824
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python}
DATA=./datasets/atlas

# docs/demo.md explains these values.
echo "== training (about 8 minutes on 2 CPU cores)"
$PYTHON train.py --dataroot $DATA --name atlas --model cycle_gan --netG resnet_6blocks --ngf 16 --ndf 64 \
    --load_size 64 --crop_size 64 --lr 0.0004 --lr_policy cosine --n_epochs 9 --n_epochs_decay 0 \
    --lambda_A 3 --lambda_identity 2 --num_threads 1 --display_id 0 --display_freq 100 --update_html_freq 100 --seed "${SEED:-1}"

echo "== translating the test images"
$PYTHON test.py --dataroot $DATA --name atlas --model cycle_gan

echo "== measuring them against the true pairs"
IMAGES=./results/atlas/test_latest/images
$PYTHON scripts/evaluate.py \
    --fake $IMAGES:fake_B --real $DATA/testB --baseline_input $DATA/testA --name "photo to map" \
    --palette 144,202,228 242,239,233 255,255,255 --page \
    --fake $IMAGES:fake_A --real $DATA/testA --baseline_input $DATA/testB --name "map to photo" --page

echo
echo "Training page: $PWD/checkpoints/atlas/web/index.html"
echo "Results page:  $PWD/results/atlas/test_latest/index.html"
