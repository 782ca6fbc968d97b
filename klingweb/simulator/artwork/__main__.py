"""Draw pictures for a list of prompts: `python -m klingweb.simulator.artwork PROMPTS.json OUT_DIR`.

The file is a JSON list of objects with `prompt` and optionally `aspect_ratio` (default 16:9) and
`n` (default 1). Entry i becomes `<i>-<index>.webp`, with i in two digits, both counted from 0.
"""

import argparse
import json
from pathlib import Path

from . import draw

QUALITY = 84


def main() -> None:
    """Draw and save every picture, then print the count and the total size."""
    parser = argparse.ArgumentParser(prog="python -m klingweb.simulator.artwork")
    parser.add_argument("prompts", type=Path, help="a JSON list of prompts")
    parser.add_argument("out", type=Path, help="the folder for the pictures")
    parser.add_argument("--long-edge", type=int, default=768, help="pixels (default: 768)")
    parser.add_argument("--max-n", type=int, default=4, help="pictures per prompt (default: 4)")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    entries = json.loads(options.prompts.read_text(encoding="utf-8"))
    size_bytes = count = 0
    for i, entry in enumerate(entries):
        for index in range(min(entry.get("n", 1), options.max_n)):
            ratio = entry.get("aspect_ratio", "16:9")
            picture = draw(entry["prompt"], ratio, index, long_edge=options.long_edge)
            path = options.out / f"{i:02d}-{index}.webp"
            picture.save(path, quality=QUALITY, method=6)
            size_bytes += path.stat().st_size
            count += 1
    print(f"{count} pictures, {size_bytes / 1e6:.1f} MB, in {options.out}")


if __name__ == "__main__":
    main()
