"""Every program with tiny inputs; without anything odd each ends with status 0."""

from __future__ import annotations

from scripts.maintenance.fuzzing.cases import Program
from scripts.maintenance.fuzzing.programs_of_runs import CPU, PROGRAMS_OF_RUNS, RUN

QUIET = f"{CPU} --display_id 0"
TINY = f"{QUIET} --netG resnet_6blocks --netD pixel --ngf 1 --ndf 1 --load_size 10 --crop_size 8"
TRAIN = (
    f"--dataroot in/two --name r {TINY} --n_epochs 1 --n_epochs_decay 0 --seed 1 "
    "--max_dataset_size 2 --panel_size 1 --print_freq 1"
)
WORK = "n_epochs n_epochs_decay ngf ndf num_threads panel_size crop_size load_size n_layers_D"
MATTER = "n_epochs ngf ndf lr beta1 lambda_A lambda_B init_gain seed"
IMAGE = {"in/photos/a.png": "image"}

PROGRAMS = (
    Program(
        "train",
        "train.py",
        TRAIN,
        ("in/two",),
        WORK,
        MATTER,
        files={"in/two/trainA/a.png": "image"},
    ),
    Program(
        "train-config",
        "train.py",
        f"{TRAIN} --config in/options.json",
        ("in/two", "in/photos", "in/options.json"),
        only="config",
        files={"in/options.json": "json"},
    ),
    Program(
        "train-pix2pix",
        "train.py",
        f"--model pix2pix {TRAIN} --dataroot in/AB",
        ("in/AB",),
        only="lambda_L1",
        effective="lambda_L1",
        files={"in/AB/train/a.png": "image"},
    ),
    Program(
        "train-values",
        "train.py",
        f"{TRAIN} --dataroot in/values --input_nc 2 --output_nc 1 --value_range_A -1 1",
        ("in/values",),
        only="value_range value_range_A value_range_B bands_A bands_B nodata npz_key",
        files={"in/values/trainA/a.npy": "array", "in/values/trainB/a.png": "image"},
    ),
    Program(
        "train-content",
        "train.py",
        f"--model content_gan {TRAIN} --content_loss features --content_features in/features.pt "
        "--content_size 16",
        ("in/two", "in/features.pt"),
        "content_size",
        only="content_loss content_features content_layer content_weights content_size "
        "content_range released_gradient",
        effective="content_size",
        files={"in/features.pt": "script"},
    ),
    Program(
        "train-val",
        "train.py",
        f"{TRAIN} --val_freq 1 --val_share 0.4 --max_dataset_size 5 --panel in/photos/a.png "
        "--ema 0.5",
        ("in/two", "in/photos"),
        only="val_freq val_share val_metric early_stop panel ema features features_size "
        "features_range inception_weights",
        files={"in/photos/a.png": "image"},
    ),
    Program(
        "resume",
        "train.py",
        "--continue_train --name run --n_epochs 2",
        ("in/two", RUN),
        only="name checkpoints_dir epoch load_iter n_epochs lr batch_size suffix ngf",
        work=WORK,
        files={
            f"{RUN}/state.pth": "state",
            f"{RUN}/train_opt.json": "options",
            f"{RUN}/metrics.jsonl": "json lines",
            f"{RUN}/latest_net_G_A.pth": "weights",
            f"{RUN}/latest_net_D_B.pth": "weights",
            f"{RUN}/loss_log.txt": "text",
            f"{RUN}/web/data.js": "text",
            f"{RUN}/web/index.html": "text",
            f"{RUN}/.lock": "text",
            f"{RUN}/.saving.json": "json",
        },
    ),
    Program(
        "test",
        "test.py",
        f"--dataroot in/two --name run {CPU} --num_test 1",
        ("in/two", RUN),
        "num_threads load_size crop_size display_winsize",
        "num_test aspect_ratio load_size crop_size preprocess",
        files={
            "in/two/testA/a.png": "image",
            f"{RUN}/train_opt.json": "options",
            f"{RUN}/latest_net_G_A.pth": "weights",
            f"{RUN}/test_opt.txt": "text",
        },
    ),
    Program(
        "check_data",
        "scripts/check_data.py",
        TRAIN,
        ("in/two",),
        WORK,
        files={"in/two/trainA/a.png": "image"},
    ),
    Program(
        "translate",
        "scripts/translate.py",
        f"--name run --input in/photos --output out {CPU} --num_test 1",
        ("in/photos", RUN),
        "load_size crop_size",
        "num_test aspect_ratio load_size crop_size",
        files={"in/photos/a.png": "image", f"{RUN}/latest_net_G_A.pth": "weights"},
    ),
    Program(
        "evaluate",
        "scripts/evaluate.py",
        "--fake in/photos --real in/targets --json out.json "
        "--palette 0,0,0 255,255,255 --baseline_input in/targets",
        ("in/photos", "in/targets"),
        files={"in/photos/a.png": "image", "in/targets/a.png": "image"},
    ),
    Program(
        "evaluate-sets",
        "scripts/evaluate.py",
        "--unpaired --features in/features.pt --features_size 16 --fake in/photos "
        "--real in/targets",
        ("in/photos", "in/targets", "in/features.pt"),
        "features_size",
        only="features_size features_range seed",
        files={"in/features.pt": "script"},
    ),
    Program(
        "segment_scores",
        "scripts/segment_scores.py",
        "--fake in/photos --real in/targets --palette 0,0,0 255,255,255 --network in/segment.pt "
        "--network_range=-1..1 --json out.json",
        ("in/photos", "in/targets", "in/segment.pt"),
        files={"in/targets/a.png": "image", "in/segment.pt": "script"},
    ),
    Program(
        "train_segmenter",
        "scripts/train_segmenter.py",
        "--photos in/photos --labels atlas --out net.pt --epochs 1 --width 2",
        ("in/photos",),
        "epochs width",
        "width seed",
        files=IMAGE,
    ),
    *PROGRAMS_OF_RUNS,
    Program(
        "edges",
        "scripts/edges.py",
        "--input in/photos --output out --size 16",
        ("in/photos",),
        "size sigma",
        files=IMAGE,
    ),
    Program(
        "combine",
        "datasets/combine_A_and_B.py",
        "--fold_A in/A --fold_B in/B --fold_AB out --no_multiprocessing",
        ("in/A", "in/B"),
        files={"in/A/train/a.png": "image"},
    ),
    Program(
        "make_aligned",
        "datasets/make_dataset_aligned.py",
        "--dataset-path in/same",
        ("in/same",),
        files={"in/same/trainA/a.png": "image"},
    ),
    Program(
        "cityscapes",
        "datasets/prepare_cityscapes_dataset.py",
        "--gtFine_dir in/gtFine --leftImg8bit_dir in/leftImg8bit --output_dir out",
        ("in/gtFine", "in/leftImg8bit"),
        files={"in/leftImg8bit/train/x/x_0_0_leftImg8bit.png": "image"},
    ),
    Program(
        "lakes",
        "datasets/make_lakes.py",
        "out --size 8 --train 2 --test 1",
        work="size train test",
        effective="size train test seed",
        positional="out",
    ),
    Program(
        "phantoms",
        "datasets/make_phantoms.py",
        "out --size 16 --train 2 --test 1",
        work="size train test",
        effective="size train test seed",
        positional="out",
    ),
    Program(
        "download",
        "datasets/download.py",
        "facades --kind cyclegan --out out/data --mirror http://127.0.0.1:PORT --unchecked",
        positional="facades",
    ),
    Program(
        "download_model",
        "scripts/download_model.py",
        "horse2zebra --mirror http://127.0.0.1:PORT --unchecked",
        positional="horse2zebra",
    ),
    Program(
        "paper-run",
        "scripts/paper.py",
        "run maps --dry_run --dataroot in/two",
        ("in/two",),
        positional="maps",
    ),
    Program("paper-table", "scripts/paper.py", "table", (RUN,), only="checkpoints_dir"),
    Program(
        "paper-ablate",
        "scripts/paper.py",
        "ablate --dataroot in/two --dry_run --seeds 1 --variants cycle --work work --out docs",
        ("in/two",),
        "seeds",
        only="dataroot seeds variants name palette work features network network_range out",
    ),
    Program(
        "paper-baselines",
        "scripts/paper.py",
        "baselines --dataroot in/two --dry_run --seeds 1 --rows cycle_gan --work work --out docs",
        ("in/two",),
        "seeds",
        only="dataroot recipe seeds rows pairs jobs row_options add name palette work features "
        "network network_range out",
    ),
    Program(
        "study-make",
        "scripts/study.py",
        "make --results in/page --real in/targets --contact me --output study --practice 0 "
        "--trials 2 --size 16",
        ("in/page", "in/targets"),
        only="results label add real output key title what contact consent post practice trials "
        "pairs size seconds seed max_pixels",
        files={"in/page/0_fake_B.png": "image", "in/targets/a.png": "image"},
    ),
    Program(
        "study-score",
        "scripts/study.py",
        "score --key in/study/key.json --answers in/study/answers --output table.csv",
        ("in/study",),
        only="key answers output seed",
        files={"in/study/key.json": "json", "in/study/answers/first.json": "json"},
    ),
    Program("tests", "scripts/tests.py", "--only lint", (), slow=True),
    Program("demo", "scripts/demo.py", f"{TINY} --folder out", (), slow=True),
    Program("benchmark", "scripts/benchmark.py", "--quick --only start-up", (), slow=True),
    Program("check_resume", "scripts/check_resume.py", "--kills 1", (), slow=True),
    Program(
        "check_gpu", "scripts/check_gpu.py", "--gpu_ids -1 --only memory", (), "patience", slow=True
    ),
    Program(
        "check_logging",
        "scripts/check_logging.py",
        f"--dataroot in/two {TINY} --steps 10 --max_dataset_size 2",
        ("in/two",),
        slow=True,
        only="steps",
    ),
    Program(
        "check_versions", "scripts/maintenance/check_versions.py", "--folder out", (), slow=True
    ),
    Program(
        "check_tiles",
        "scripts/maintenance/check_tiles.py",
        "out --only differences --nets unet_128 --norms none --ngf 1 --steps 1 --sizes 1",
        slow=True,
        positional="out",
    ),
    Program(
        "check_fork",
        "scripts/check_fork.py",
        "in/fork",
        ("in/fork",),
        positional="in/fork",
        files={"in/fork/models/my_model.py": "text", "in/fork/train.sh": "text"},
    ),
    Program(
        "write_official_names", "scripts/maintenance/write_official_names.py", "", (), slow=True
    ),
    Program("fuzz", "scripts/maintenance/fuzz.py", "--list --only combine", (), slow=True),
    Program("check_house", "scripts/maintenance/check_house.py", "", (), slow=True),
)
