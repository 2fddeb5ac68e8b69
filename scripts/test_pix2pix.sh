set -ex
python test.py --dataroot ./datasets/facades --name facades_pix2pix --model pix2pix --direction BtoA
