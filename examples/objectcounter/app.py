#!/usr/bin/env python3
"""Counts objects in every image of a folder, again and again, as an app on an edge node would with a camera."""

import argparse
import os
import signal
import sys
import time

from count import count_on_cpu, gpu_counter, read_pgm

try:
    from profileapp.client import counter, gauge, timer
except ImportError:  # in the image the client is the one file that was copied in
    from profileapp_client import counter, gauge, timer


def main():
    args = parse_args()
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    count = choose_counter(args.use_gpu)
    images = sorted(name for name in os.listdir(args.input) if name.endswith(".pgm"))
    if not images:
        sys.exit("no .pgm image in %s; make some with make_dataset.py" % args.input)
    done, right, started_s = 0, 0, time.time()
    while not stopping and (not args.frames or done < args.frames):
        name = images[done % len(images)]
        frame_started_s = time.time()
        with timer("inference"):
            objects = count(*read_pgm(os.path.join(args.input, name)))
        done += 1
        # The file's name contains the number of objects: traffic-0007-objects-12.pgm
        right += objects == int(name.rsplit("-", 1)[1].split(".")[0])
        gauge("objects", objects)
        counter("frames")
        gauge("accuracy", 100.0 * right / done, unit="%")
        pause(frame_started_s + args.interval, stopping)
        gauge("fps", 1.0 / max(1e-9, time.time() - frame_started_s), unit="frames/s")
    elapsed_s = time.time() - started_s
    print("%d frames in %.1f s, %d counted right" % (done, elapsed_s, right))


def pause(until_s, stopping):
    """Sleeps in short steps: a sleep goes on after a signal, and the app is to end soon after one."""
    while not stopping and time.time() < until_s:
        time.sleep(max(0.0, min(0.1, until_s - time.time())))


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "dataset")
    default = os.environ.get("PROFILEAPP_DATASET") or beside
    parser.add_argument("--input", default=default, help="folder of the images")
    parser.add_argument("--frames", type=int, default=0, help="end after so many frames; 0: never")
    parser.add_argument("-interval", "--interval", type=float, default=0.0, help="seconds between two frames")
    device = parser.add_mutually_exclusive_group()
    device.add_argument("--use-gpu", action="store_true", help="count on the GPU, where there is one")
    device.add_argument("--use-cpu", action="store_true", help="count on the CPU (what happens anyway)")
    return parser.parse_args()


def choose_counter(use_gpu):
    if use_gpu:
        try:
            return gpu_counter()
        except Exception as error:  # CuPy raises its own errors if a driver or a device is missing
            print("no GPU can be used (%s); counting on the CPU" % error, file=sys.stderr)
    return count_on_cpu


if __name__ == "__main__":
    main()
