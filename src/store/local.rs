//! A store in a folder of this host or of a mounted one.
