//! Tests over real sockets.

mod key_directory;
