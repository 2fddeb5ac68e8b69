"""The programs that show a finished run or hand it on; see programs.py."""

from __future__ import annotations

from scripts.maintenance.fuzzing.cases import Program

CPU = "--gpu_ids -1 --num_threads 0"
RUN = "checkpoints/run"

PROGRAMS_OF_RUNS = (
    Program(
        "plot",
        "scripts/plot.py",
        "--runs run --output plot.svg",
        (RUN,),
        files={f"{RUN}/metrics.jsonl": "json lines", f"{RUN}/loss_log.txt": "text"},
    ),
    Program(
        "sheet",
        "scripts/sheet.py",
        "--images in/page --labels real_A fake_B --output sheet.png --size 16",
        ("in/page",),
        "size",
        "size every",
        files={"in/page/0_real_A.png": "image"},
    ),
    Program(
        "timelapse",
        "scripts/timelapse.py",
        "run --output film.gif --size 16",
        (RUN,),
        "size frames",
        positional="run",
        files={
            f"{RUN}/web/data.js": "text",
            f"{RUN}/web/images/epoch001_panel0_fake_B.png": "image",
        },
    ),
    Program(
        "share_page",
        "scripts/share_page.py",
        "run --output page.html",
        (RUN,),
        positional="run",
        files={
            f"{RUN}/web/data.js": "text",
            f"{RUN}/web/index.html": "text",
            f"{RUN}/web/images/epoch001_panel0_fake_B.png": "image",
        },
    ),
    Program(
        "pack_run",
        "scripts/pack_run.py",
        "run --output run.zip",
        (RUN,),
        positional="run",
        files={
            f"{RUN}/latest_net_G_A.pth": "weights",
            f"{RUN}/train_opt.json": "options",
            f"{RUN}/web/data.js": "text",
        },
    ),
    Program(
        "export",
        "scripts/export.py",
        f"--name run --to torchscript --output net.pt {CPU}",
        (RUN,),
        only="name to output raw half epoch direction ema eval input_nc checkpoints_dir",
        files={f"{RUN}/latest_net_G_A.pth": "weights", f"{RUN}/train_opt.json": "options"},
    ),
    Program(
        "translate-exported",
        "scripts/translate.py",
        f"--name in/run.pt --input in/photos --output out {CPU} --num_test 1",
        ("in/photos", "in/run.pt"),
        only="name suffix direction epoch input_nc netG ngf norm upsample preprocess load_size",
        files={"in/run.pt": "script"},
    ),
    Program(
        "check_exports",
        "scripts/maintenance/check_exports.py",
        "--only resnet_6blocks --ngf 1",
        (),
        "every ngf",
        slow=True,
    ),
    Program(
        "test-packed",
        "test.py",
        f"--dataroot in/two --name in/run.zip {CPU} --num_test 1",
        ("in/two", "in/run.zip"),
        only="name",
        files={"in/run.zip": "script"},
    ),
    Program(
        "index",
        "scripts/index.py",
        "",
        (RUN,),
        files={
            f"{RUN}/metrics.jsonl": "json lines",
            f"{RUN}/train_opt.json": "options",
            f"{RUN}/web/data.js": "text",
            f"{RUN}/.lock": "text",
            "checkpoints/index.html": "text",
        },
    ),
    Program(
        "evaluate-values",
        "scripts/evaluate.py",
        "--fake in/values/trainA --real in/values/trainA --value_range -1 1 --json out.json",
        ("in/values",),
        only="value_range nodata",
        effective="value_range",
        files={"in/values/trainA/a.npy": "array"},
    ),
)
