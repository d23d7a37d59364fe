"""Many recordings: over processes of this machine, over a Ray cluster, or as they appear in a folder."""

from govor.batch.processes import ProcessWorkers
from govor.batch.watching import FolderWatcher
from govor.batch.workers import Event, Note, Progress, Workers

__all__ = ["Event", "FolderWatcher", "Note", "ProcessWorkers", "Progress", "Workers"]
