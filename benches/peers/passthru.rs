//! Lower bound for a copying client: forwards COPY binary between two servers with nothing but
//! blocking sockets. Standard library only, trust authentication, no error recovery: a yardstick,
//! not a tool.
//!
//! ```text
//! rustc -O --edition 2024 passthru.rs -o passthru
//! passthru SOCKET_OR_HOST:PORT SRC_DB  SOCKET_OR_HOST:PORT DST_DB
//!          USER TABLE PAGES STREAMS MODE BUFFER [CHUNKS] [DST_SET]
//! ```
//!
//! MODE `raw`: the server's CopyData frames go on as they are, one a row. MODE `frame`: rows are
//! re-framed into CopyData messages of about BUFFER bytes. CHUNKS (at least STREAMS) ctid ranges
//! are handed out to the streams one at a time; DST_SET is run first on each destination session.

use std::io::{Read, Result, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};

enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        match self {
            Socket::Unix(socket) => socket.read(buffer),
            Socket::Tcp(socket) => socket.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match self {
            Socket::Unix(socket) => socket.write(bytes),
            Socket::Tcp(socket) => socket.write(bytes),
        }
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

fn length(bytes: &[u8]) -> usize {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize
}

/// Reads messages up to one of type `wanted`; an error from the server ends the program.
fn read_until(socket: &mut Socket, wanted: u8) {
    loop {
        let mut head = [0; 5];
        socket.read_exact(&mut head).unwrap();
        let mut body = vec![0; length(&head[1..]) - 4];
        socket.read_exact(&mut body).unwrap();
        if head[0] == b'E' {
            eprintln!("{}", String::from_utf8_lossy(&body));
            std::process::exit(1)
        }
        if head[0] == wanted {
            return;
        }
    }
}

fn query(socket: &mut Socket, text: &str) {
    let mut message = vec![b'Q'];
    message.extend(((text.len() + 5) as u32).to_be_bytes());
    message.extend(text.as_bytes());
    message.push(0);
    socket.write_all(&message).unwrap();
}

fn connect(address: &str, database: &str, user: &str) -> Socket {
    let mut socket = if address.starts_with('/') {
        Socket::Unix(UnixStream::connect(address).unwrap())
    } else {
        let tcp = TcpStream::connect(address).unwrap();
        tcp.set_nodelay(true).unwrap();
        Socket::Tcp(tcp)
    };
    let mut startup = 196_608u32.to_be_bytes().to_vec();
    for text in ["user", user, "database", database] {
        startup.extend(text.as_bytes());
        startup.push(0)
    }
    startup.push(0);
    let whole = (startup.len() + 4) as u32;
    socket.write_all(&whole.to_be_bytes()).unwrap();
    socket.write_all(&startup).unwrap();
    read_until(&mut socket, b'Z');
    socket
}

/// One COPY statement on each side. `raw` passes frames on; else rows are gathered to `size` bytes.
fn copy_chunk(
    source: &mut Socket,
    destination: &mut Socket,
    from: &str,
    to: &str,
    raw: bool,
    size: usize,
) {
    query(source, from);
    query(destination, to);
    read_until(source, b'H');
    read_until(destination, b'G');
    let mut buffer = vec![0u8; size.max(8192) + 8];
    // bytes of the buffer carried over, bytes of the row still to come, the end of the rows
    let (mut carried, mut row_left, mut done) = (0usize, 0usize, false);
    let mut frame: Vec<u8> = Vec::with_capacity(size * 2 + 5);
    frame.extend([b'd', 0, 0, 0, 0]);
    while !done {
        let read = source.read(&mut buffer[carried..]).unwrap();
        assert!(read > 0);
        let filled = carried + read;
        let mut at = 0;
        while at < filled {
            if row_left > 0 {
                let part = row_left.min(filled - at);
                if !raw {
                    frame.extend_from_slice(&buffer[at..at + part])
                }
                row_left -= part;
                at += part;
            } else if filled - at < 5 {
                break;
            } else if buffer[at] == b'd' {
                row_left = length(&buffer[at + 1..]) - 4;
                at += 5;
            } else {
                done = true;
                break;
            }
        }
        if raw {
            destination.write_all(&buffer[..at]).unwrap()
        } else if frame.len() > 5 && (frame.len() >= size || done) {
            let whole = (frame.len() as u32 - 1).to_be_bytes();
            frame[1..5].copy_from_slice(&whole);
            destination.write_all(&frame).unwrap();
            frame.truncate(5);
        }
        if done {
            // what is left is CopyDone, CommandComplete, ReadyForQuery, maybe partly read
            let mut tail = buffer[at..filled].to_vec();
            while !(tail.len() >= 6 && tail[tail.len() - 6] == b'Z') {
                let mut more = [0u8; 256];
                let read = source.read(&mut more).unwrap();
                tail.extend(&more[..read])
            }
        }
        buffer.copy_within(at..filled, 0);
        carried = filled - at;
    }
    destination.write_all(&[b'c', 0, 0, 0, 4]).unwrap();
    read_until(destination, b'Z');
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |i: usize| -> u64 { arguments[i].parse().unwrap() };
    let (table, pages, streams) = (&arguments[6], number(7), number(8));
    let (raw, size) = (arguments[9] == "raw", number(10) as usize);
    let chunks = if arguments.len() > 11 {
        number(11)
    } else {
        streams
    };
    let to = format!("copy {table} from stdin (format binary)");
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..streams {
            scope.spawn(|| {
                let mut source = connect(&arguments[1], &arguments[2], &arguments[5]);
                let mut destination = connect(&arguments[3], &arguments[4], &arguments[5]);
                if let Some(setting) = arguments.get(12) {
                    query(&mut destination, setting);
                    read_until(&mut destination, b'Z')
                }
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= chunks {
                        break;
                    }
                    let what = if chunks == 1 {
                        table.clone()
                    } else {
                        let last = i == chunks - 1;
                        let until = if last {
                            String::new()
                        } else {
                            format!(" and ctid < '({},0)'", pages * (i + 1) / chunks)
                        };
                        format!(
                            "(select * from {table} where ctid >= '({},0)'{until})",
                            pages * i / chunks
                        )
                    };
                    let from = format!("copy {what} to stdout (format binary)");
                    copy_chunk(&mut source, &mut destination, &from, &to, raw, size);
                }
            });
        }
    });
}
