"""Reports three times, twice with a step of its own."""

import metaopt

if __name__ == "__main__":
    metaopt.report(loss=0.5)
    metaopt.report(step=20, loss=0.25, accuracy=1)
    metaopt.report(step=2.5, loss=float("nan"))
