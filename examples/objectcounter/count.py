"""Counts objects in grey images: connected groups of bright pixels. Pure Python; CuPy where there is a GPU."""

import re


def read_pgm(path):
    """Width, height and the bytes of the pixels, row by row, of a binary PGM of 8 bits (netpbm, "pgm format")."""
    with open(path, "rb") as stream:
        content = stream.read()
    header = re.match(rb"P5\s+(\d+)\s+(\d+)\s+255\s", content)
    if header is None:
        raise ValueError("%s: not a binary PGM of 8 bits" % path)
    width, height = int(header.group(1)), int(header.group(2))
    pixels = content[header.end() : header.end() + width * height]
    if len(pixels) != width * height:
        raise ValueError("%s: cut short" % path)
    return width, height, pixels


def count_on_cpu(width, height, pixels, threshold=128, smallest=4):
    """How many groups of at least `smallest` pixels, touching by an edge, are as bright as `threshold`."""
    bright = bytearray(pixel >= threshold for pixel in pixels)
    objects = 0
    for start in range(width * height):
        if not bright[start]:
            continue
        bright[start] = 0
        size, edge = 0, [start]
        while edge:
            here = edge.pop()
            size += 1
            column = here % width
            for there, inside in (
                (here - 1, column > 0),
                (here + 1, column < width - 1),
                (here - width, here >= width),
                (here + width, here < width * (height - 1)),
            ):
                if inside and bright[there]:
                    bright[there] = 0
                    edge.append(there)
        objects += size >= smallest
    return objects


def gpu_counter():
    """The same count by CuPy on the GPU. Raises ImportError, or what CuPy raises, where there is none."""
    import cupy  # noqa: PLC0415 - there is none on most machines
    from cupyx.scipy import ndimage  # noqa: PLC0415

    cupy.cuda.runtime.getDeviceCount()

    def count_on_gpu(width, height, pixels, threshold=128, smallest=4):
        image = cupy.frombuffer(pixels, dtype=cupy.uint8).reshape(height, width)
        labels, _ = ndimage.label(image >= threshold)
        sizes = cupy.bincount(labels.ravel())[1:]
        return int((sizes >= smallest).sum())

    return count_on_gpu
