"""Files for other features: take an upload, claim it, hand it out, delete it."""

from madang.features.files.contracts import EXTENSIONS, ReceivedFile, StoredFile
from madang.features.files.service.multipart import Upload, read_upload
from madang.features.files.service.names import disposition
from madang.features.files.service.uploads import (
    delete_file,
    drop_upload,
    keep_file,
    receive_upload,
    stored_file,
    too_large,
)
from madang.features.files.settings import load as file_settings

__all__ = [
    "EXTENSIONS",
    "ReceivedFile",
    "StoredFile",
    "Upload",
    "delete_file",
    "disposition",
    "drop_upload",
    "file_settings",
    "keep_file",
    "read_upload",
    "receive_upload",
    "stored_file",
    "too_large",
]
