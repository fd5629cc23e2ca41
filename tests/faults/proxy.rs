//! A proxy of the test's own between rb-bench and a server, which knows just enough of the
//! protocol to lose a connection at a chosen moment.
//!
//! Protocol: PostgreSQL manual, "Message Formats".

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use socket2::SockRef;
use tokio_postgres::Config;

/// What happens to a message on its way to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It arrives.
    Arrives,
    /// It never arrives, and nothing is said about it.
    Vanishes,
    /// Half of it arrives, and the connection breaks.
    Breaks,
    /// It arrives, and the connection breaks as soon as the server answers.
    LosesAnswer,
    /// It never arrives, and the connection is reset: its end is no orderly one.
    Resets,
}

/// A message from rb-bench to the server.
pub(crate) struct Sent<'a> {
    /// The application_name of its connection.
    pub(crate) by: &'a str,
    /// The type of the message: `Q` for a query, `d` for COPY data.
    pub(crate) kind: u8,
    /// The text of a query.
    pub(crate) text: &'a str,
    /// Bytes sent on this connection before it.
    pub(crate) after: usize,
}

type Rule = dyn Fn(&Sent<'_>) -> Fate + Send + Sync;

/// Starts a proxy before the server of this URL; the URL through it. It lives as long as the test
/// process.
pub(crate) fn before(
    url: &str,
    rule: impl Fn(&Sent<'_>) -> Fate + Send + Sync + 'static,
) -> String {
    let config: Config = url.parse().expect("a URL of a test database");
    let server = config.get_ports()[0];
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let rule: Arc<Rule> = Arc::new(rule);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let rule = Arc::clone(&rule);
            thread::spawn(move || serve(&client, server, &*rule));
        }
    });
    let password = String::from_utf8_lossy(config.get_password().unwrap_or_default()).into_owned();
    format!(
        // the first message is looked into: it must be the start-up, not a question for TLS
        "postgres://{}:{password}@127.0.0.1:{port}/{}?sslmode=disable",
        config.get_user().unwrap_or_default(),
        config.get_dbname().unwrap_or_default()
    )
}

/// A rule that strikes once: at the first message that it is asked about and says yes to.
pub(crate) fn once(
    fate: Fate,
    at: impl Fn(&Sent<'_>) -> bool + Send + Sync + 'static,
) -> impl Fn(&Sent<'_>) -> Fate + Send + Sync + 'static {
    let struck = AtomicBool::new(false);
    always(fate, move |sent| {
        at(sent) && !struck.swap(true, Ordering::SeqCst)
    })
}

/// A rule that strikes at every message that it says yes to.
pub(crate) fn always(
    fate: Fate,
    at: impl Fn(&Sent<'_>) -> bool + Send + Sync + 'static,
) -> impl Fn(&Sent<'_>) -> Fate + Send + Sync + 'static {
    move |sent| if at(sent) { fate } else { Fate::Arrives }
}

/// Ends with the connection, whichever side ends it.
fn serve(client: &TcpStream, port: u16, rule: &Rule) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else {
        return;
    };
    let deaf = Arc::new(AtomicBool::new(false));
    let reset = Arc::new(AtomicBool::new(false));
    let back = (server.try_clone(), client.try_clone());
    let (Ok(mut from), Ok(mut to)) = back else {
        return;
    };
    let (hushed, resets) = (Arc::clone(&deaf), Arc::clone(&reset));
    let answers = thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            if hushed.load(Ordering::SeqCst) || to.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
        if !resets.load(Ordering::SeqCst) {
            let _ = to.shutdown(Shutdown::Both);
        }
        let _ = from.shutdown(Shutdown::Both);
    });
    if let Ok(Fate::Resets) = forward(client, &server, &deaf, rule) {
        // with no time to linger, closing the last handle of it resets the connection
        reset.store(true, Ordering::SeqCst);
        let _ = SockRef::from(client).set_linger(Some(Duration::ZERO));
        let _ = server.shutdown(Shutdown::Both);
    } else if !deaf.load(Ordering::SeqCst) {
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
    }
    let _ = answers.join();
}

/// Ends with the fate that ended it, or with the connection.
fn forward(
    mut client: &TcpStream,
    mut server: &TcpStream,
    deaf: &AtomicBool,
    rule: &Rule,
) -> io::Result<Fate> {
    let start = message(client, None)?;
    server.write_all(&start)?;
    let words: Vec<&[u8]> = start.split(|byte| *byte == 0).collect();
    let name = words.windows(2).find(|pair| pair[0] == b"application_name");
    let name = name.map_or(String::new(), |pair| {
        String::from_utf8_lossy(pair[1]).into_owned()
    });
    let mut after = 0;
    loop {
        let mut kind = [0];
        client.read_exact(&mut kind)?;
        let message = message(client, Some(kind[0]))?;
        let text = match kind[0] {
            b'Q' => String::from_utf8_lossy(&message[5..message.len() - 1]),
            _ => "".into(),
        };
        let sent = Sent {
            by: &name,
            kind: kind[0],
            text: &text,
            after,
        };
        match rule(&sent) {
            Fate::Arrives => server.write_all(&message)?,
            Fate::Vanishes => {}
            Fate::Breaks => {
                server.write_all(&message[..message.len() / 2])?;
                return Ok(Fate::Breaks);
            }
            Fate::LosesAnswer => {
                deaf.store(true, Ordering::SeqCst);
                server.write_all(&message)?;
                return Ok(Fate::LosesAnswer);
            }
            Fate::Resets => return Ok(Fate::Resets),
        }
        after += message.len();
    }
}

/// One message, its type byte and length included.
fn message(mut from: &TcpStream, kind: Option<u8>) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut message: Vec<u8> = kind.into_iter().chain(length).collect();
    let head = message.len();
    message.resize(head + u32::from_be_bytes(length) as usize - 4, 0);
    from.read_exact(&mut message[head..])?;
    Ok(message)
}
