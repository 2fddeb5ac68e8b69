set -ex
python test.py --dataroot ./datasets/maps --name maps_cyclegan --model cycle_gan
