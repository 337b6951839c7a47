"""Orders of the axes of images: NHWC, NCHW and the like."""
