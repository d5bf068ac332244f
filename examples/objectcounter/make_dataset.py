#!/usr/bin/env python3
"""Makes images of bright discs on a dark, noisy ground; a file's name tells how many discs are in it."""

import argparse
import os
import random


def make_image(chance, width, height, objects):
    """Pixels of an image with `objects` discs that do not touch; fewer where no room is left. And their number."""
    pixels = bytearray(chance.randrange(60) for _ in range(width * height))
    placed = []
    for _ in range(objects * 50):
        if len(placed) == objects:
            break
        radius = chance.randrange(3, 9)
        x, y = chance.randrange(radius, width - radius), chance.randrange(radius, height - radius)
        if all((x - a) ** 2 + (y - b) ** 2 > (radius + r + 2) ** 2 for a, b, r in placed):
            placed.append((x, y, radius))
    for x, y, radius in placed:
        for row in range(y - radius, y + radius + 1):
            for column in range(x - radius, x + radius + 1):
                if (column - x) ** 2 + (row - y) ** 2 <= radius**2 and 0 <= row < height and 0 <= column < width:
                    pixels[row * width + column] = chance.randrange(180, 256)
    return bytes(pixels), len(placed)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--height", type=int, default=240)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(arguments)
    chance = random.Random(args.seed)
    os.makedirs(args.folder, exist_ok=True)
    for name in os.listdir(args.folder):
        if name.startswith("traffic-") and name.endswith(".pgm"):
            os.remove(os.path.join(args.folder, name))
    for number in range(args.images):
        pixels, objects = make_image(chance, args.width, args.height, chance.randrange(0, 25))
        name = os.path.join(args.folder, "traffic-%04d-objects-%d.pgm" % (number, objects))
        with open(name, "wb") as stream:
            stream.write(b"P5\n%d %d\n255\n" % (args.width, args.height) + pixels)


if __name__ == "__main__":
    main()
