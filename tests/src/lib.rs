//! Whole-house stories over real sockets.
