"""How the garbage collector is set in a program that runs all day."""

import gc

# Objects more than before, until the collector looks for those that hold each other.
GATHERS = 20_000
# How many looks at what is young until it looks at what was left by the last one: all that gathered meanwhile, which nobody should wait for. And how many of
# those until it looks at everything, which is a tenth of what is usual: where a thousand kept figures are a million objects, each window waits a second for it.
LOOKS, ROUNDS = 2, 400


def settle() -> None:
    """To be called when everything is imported.

    That stays: looked through again and again, it would hold up every call and every page for a tenth of a second. What a call or a run leaves behind goes by
    itself, nearly all of it, so that the rest may gather for a while: kept figures are many small things, too.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GATHERS, LOOKS, ROUNDS)
