set -ex
# One generator on a folder of images. Its architecture is read from its weights.
python test.py --dataroot ./datasets/facades/testB/ --name facades_pix2pix --model test --direction BtoA
