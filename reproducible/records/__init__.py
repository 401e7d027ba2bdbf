"""What a run leaves behind: writing, reading, checking and rescoring records; the cache of finished runs.

A record is one JSON line with plain values; the lines of an arm are one file, compressed with xz, so that a run that is
added rewrites one small file. Its keys:

``study, arm, profile, draw, seed``
    what it was run for; ``digest`` is its name and key, ``criteria`` the hash of the criteria that stood when it ran.
``config, data, weights, versions``
    all that decides the result: the configuration (fields at their default left out), fingerprint of the data, hash of
    the weights, behaviour versions.
``curve``
    a list of points: ``step``, mean ``loss`` and ``terms`` since the point before, and for each role that was looked at
    (``validation``, ``test``, ``seen``) its metrics in per cent and, packed, which queries found a photograph of their
    class first (``hits``).
``untouched, selected, last``
    points of the same form: the pretrained features before training, the checkpoint selected on validation classes, the
    last one. ``selected`` has ``step``, ``not_converged`` (it is the last) and one of ``neighbours``, the ids from
    which every metric can be computed again; ``matches``, which of them are of the query's class: the same in a tenth
    of the space; or ``first``, the rank of each query's first match, a tenth again, which gives recall alone. An arm
    that a criterion reads keeps what its configuration says, another keeps ranks (:func:`kept_for`). Where parts are
    known, ``test`` has recall within the coarse class (with ``hits_within``) and the probes. ``further``, where it was
    asked for: by protocol, its ``queries`` and ``gallery`` and, by feature, ``test`` with ``matches`` of the embedding
    or ``first``. ``untouched`` is empty for a run of no steps, which is itself the pretrained network.
    Where measures are asked for, ``test`` has them (:mod:`reproducible.training.measures` names them) and ``selected``
    has ``clusters``, the cluster of each query and, behind them, of each gallery image.
``queries, gallery``
    class, coarse class and count of each run of equal labels, in the order of the stored ids. An empty gallery: the
    queries themselves, each left out of its own.
``environment``
    versions, device, threads, precision, seconds, peak memory of the process (which may have had other runs before).
"""

from reproducible.records.cache import finish, finished, read_json, run_folder
from reproducible.records.files import SUFFIX, committed, file_of, folder_of, key_of, load, read, save, state_of
from reproducible.records.measured import measurements, run_again, save_measurements
from reproducible.records.rescoring import (
    NEAR,
    compared,
    differing,
    kept_for,
    queries_first,
    rescorable,
    rescore,
    summarise,
    unsupported,
    verify,
)
from reproducible.records.schema import KEYS, PROFILES, check, configuration
from reproducible.records.today import stale
from reproducible.records.writing import held, write_bytes, write_text

__all__ = [
    "KEYS",
    "NEAR",
    "PROFILES",
    "SUFFIX",
    "check",
    "committed",
    "compared",
    "configuration",
    "differing",
    "file_of",
    "finish",
    "finished",
    "folder_of",
    "held",
    "kept_for",
    "key_of",
    "load",
    "measurements",
    "queries_first",
    "read",
    "read_json",
    "rescorable",
    "rescore",
    "run_again",
    "run_folder",
    "save",
    "save_measurements",
    "stale",
    "state_of",
    "summarise",
    "unsupported",
    "verify",
    "write_bytes",
    "write_text",
]
