//! The mock as its users meet it: a process with a command line, a socket, two files
//! and one line on stdout. What it gives is judged by a relying party's own code.

mod evidence;
mod hostile;
mod process;
mod restart;
mod sockets;
mod wire;
