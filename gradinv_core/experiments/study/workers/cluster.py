"""Workers of a Dask cluster, on as many machines as there are; the extra ``cluster`` installs it.

    dask scheduler --port 8786                        # on one machine
    dask worker tcp://scheduler:8786 --nthreads 1     # on each of the others, with this project installed

A worker that dies takes the samples in its hands with it; the scheduler gives them to another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from gradinv_core.errors import OptionError
from gradinv_core.experiments.study.attack import Played, play_sample
from gradinv_core.experiments.study.plan import Sample
from gradinv_core.experiments.study.provenance import code_version
from gradinv_core.experiments.study.workers import Workers

__all__ = ["cluster_workers"]

_AHEAD = 2  # samples handed out for each worker thread: none waits for the driver
_CONNECT_SECONDS = 30


def cluster_workers(address: str, device: str = "cpu") -> Workers:
    """The workers of the scheduler at an address.

    Args:
        address: such as "tcp://127.0.0.1:8786".
        device: where networks compute, on each worker.

    Raises:
        OptionError: the extra is not installed, or no scheduler or worker answers.
    """
    try:
        import distributed
    except ModuleNotFoundError as error:
        raise OptionError(
            "cluster: expected the package distributed, got none; install it with pip install 'gradinv[cluster]', on "
            "the scheduler, the workers and here."
        ) from error
    try:
        client = distributed.Client(address, timeout=_CONNECT_SECONDS)
    except (OSError, ValueError) as error:  # a timeout is an OSError, an address without a port a ValueError
        raise OptionError(f"cluster: expected a scheduler at {address}, got no answer ({error}).") from error
    threads = sum(client.nthreads().values())
    if not threads:
        client.close()
        raise OptionError(f"cluster: expected workers at {address}, got none; start some: dask worker {address}.")

    def play_all(samples: Iterable[Sample]) -> Iterator[Played]:
        waiting = iter(samples)
        code = code_version()

        def submit(sample: Sample) -> Any:
            # Dask takes equal keys for equal work, and a sample's key says just that.
            return client.submit(play_sample, sample, device, key=f"gradinv-{sample.key(code)}", pure=True)

        with client:
            pending = distributed.as_completed([submit(sample) for sample in islice(waiting, _AHEAD * threads)])
            for future in pending:
                played: Played = future.result()
                if played.provenance.code != code:
                    raise OptionError(
                        f"cluster: expected workers with the code of version {code}, got {played.provenance.code}; "
                        f"install the same version everywhere."
                    )
                yield played
                future.release()
                for sample in islice(waiting, 1):
                    pending.add(submit(sample))

    return play_all
