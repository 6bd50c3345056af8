//! Folders: one tar stream with the digests of its members beside it.
