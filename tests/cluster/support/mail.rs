//! Mail clients that speak the protocols line by line, so that a test sees what a person's client would be told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::ClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Dovecot lets whoever failed before wait up to 15 s more.
const LIMIT: Duration = Duration::from_secs(40);

/// The certificate is self-signed; what is tested here is not the trust in it.
#[derive(Debug)]
struct TrustAll;

impl ServerCertVerifier for TrustAll {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

static IN_THE_POD: AtomicBool = AtomicBool::new(false);
static SOURCES: AtomicU32 = AtomicU32::new(0);

/// From now on each connection comes from another address of 10.99.0.0/16, which must stand on the loopback device: Dovecot
/// slows down who failed to log in, by address.
#[allow(dead_code, reason = "benchmarks use it")]
pub fn use_many_sources() {
    SOURCES.store(1, Ordering::Relaxed);
}

async fn connect(host: &str, port: u16) -> std::io::Result<TcpStream> {
    let address = tokio::net::lookup_host((host, port)).await?.next().ok_or(std::io::ErrorKind::NotFound)?;
    if SOURCES.load(Ordering::Relaxed) == 0 {
        return TcpStream::connect(address).await;
    }
    let n = SOURCES.fetch_add(1, Ordering::Relaxed);
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind((std::net::Ipv4Addr::from(0x0a63_0000 | (n & 0xffff)), 0).into())?;
    socket.connect(address).await
}

/// Tier 1 has no Services: clients go to the pod's own ports.
pub fn use_ports_of_the_pod() {
    IN_THE_POD.store(true, Ordering::Relaxed);
}

/// The port to connect to for one of a Service.
fn port_now(port: u16) -> u16 {
    let inside = mail_operator::resources::PORTS.iter().find(|(_, service, _)| *service == i32::from(port));
    match inside {
        Some((.., inside)) if IN_THE_POD.load(Ordering::Relaxed) => u16::try_from(*inside).expect("a port"),
        _ => port,
    }
}

fn connector() -> TlsConnector {
    let config =
        ClientConfig::builder().dangerous().with_custom_certificate_verifier(Arc::new(TrustAll)).with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection, line by line.
pub struct Lines {
    stream: BufReader<Box<dyn Stream>>,
}

impl Lines {
    /// A plain connection.
    pub async fn plain(host: &str, port: u16) -> std::io::Result<Self> {
        let stream = tokio::time::timeout(LIMIT, connect(host, port_now(port))).await??;
        Ok(Self { stream: BufReader::new(Box::new(stream)) })
    }

    /// A connection by TLS from the start.
    pub async fn tls(host: &str, port: u16) -> std::io::Result<Self> {
        Self::plain(host, port).await?.upgrade().await
    }

    /// TLS from here on (STARTTLS).
    pub async fn upgrade(self) -> std::io::Result<Self> {
        let name = ServerName::try_from("mail.gialai.gov.vn").expect("name");
        let stream = tokio::time::timeout(LIMIT, connector().connect(name, self.stream.into_inner())).await??;
        Ok(Self { stream: BufReader::new(Box::new(stream)) })
    }

    /// One line without its end; empty at the end of the connection.
    pub async fn line(&mut self) -> std::io::Result<String> {
        let mut line = Vec::new();
        tokio::time::timeout(LIMIT, self.stream.read_until(b'\n', &mut line)).await??;
        Ok(String::from_utf8_lossy(&line).trim_end().to_string())
    }

    /// Sends one line.
    pub async fn send(&mut self, line: &str) -> std::io::Result<()> {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).await?;
        self.stream.flush().await
    }

    /// Lines up to and with the first that `ends`.
    pub async fn until(&mut self, ends: impl Fn(&str) -> bool) -> std::io::Result<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            let line = self.line().await?;
            let end = ends(&line);
            let empty = line.is_empty();
            lines.push(line);
            if end {
                return Ok(lines);
            }
            if empty && lines.len() > 2000 {
                return Err(std::io::Error::other("no end"));
            }
            if empty
                && self.stream.buffer().is_empty()
                && lines.iter().rev().take(3).all(String::is_empty)
                && lines.len() > 3
            {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// Whether a port of a Service leads to something that listens.
pub async fn reaches(host: &str, port: u16) -> std::io::Result<()> {
    tokio::time::timeout(LIMIT, connect(host, port_now(port))).await?.map(drop)
}

/// The certificate that a port with TLS from the start serves, DER.
pub async fn served_certificate(host: &str, port: u16) -> std::io::Result<Vec<u8>> {
    let stream = tokio::time::timeout(LIMIT, TcpStream::connect((host, port_now(port)))).await??;
    let name = ServerName::try_from("mail.gialai.gov.vn").expect("name");
    let stream = tokio::time::timeout(LIMIT, connector().connect(name, stream)).await??;
    let found = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    found.map(|leaf| leaf.to_vec()).ok_or_else(|| std::io::Error::other("no certificate"))
}

/// A ManageSieve dialogue.
pub struct Sieve {
    lines: Lines,
}

impl Sieve {
    /// Port 4190 with STARTTLS.
    pub async fn login(host: &str, user: &str, password: &str) -> std::io::Result<Self> {
        let mut sieve = Self { lines: Lines::plain(host, 4190).await? };
        sieve.answer().await?;
        sieve.command("STARTTLS").await?;
        let mut sieve = Self { lines: sieve.lines.upgrade().await? };
        sieve.answer().await?;
        let token = STANDARD.encode(format!("\0{user}\0{password}"));
        sieve.command(&format!("AUTHENTICATE \"PLAIN\" \"{token}\"")).await?;
        Ok(sieve)
    }

    async fn answer(&mut self) -> std::io::Result<String> {
        let end = |l: &str| ["OK", "NO", "BYE"].iter().any(|word| l.starts_with(word));
        let mut last = self.lines.until(end).await?.pop().unwrap_or_default();
        if last.starts_with("OK") {
            return Ok(last);
        }
        // Why, as a literal on the next lines.
        if last.ends_with('}') {
            last = self.lines.line().await?;
        }
        Err(std::io::Error::other(last))
    }

    async fn command(&mut self, command: &str) -> std::io::Result<String> {
        self.lines.send(command).await?;
        self.answer().await
    }

    /// Stores a script and makes it the one that runs; what the server says against it is the error.
    pub async fn activate(&mut self, script: &str) -> std::io::Result<()> {
        self.command(&format!("PUTSCRIPT \"main\" {{{}+}}\r\n{script}", script.len())).await?;
        self.command("SETACTIVE \"main\"").await.map(drop)
    }
}

/// An SMTP dialogue.
pub struct Smtp {
    lines: Lines,
}

impl Smtp {
    /// Port 25, without TLS: another server.
    pub async fn server(host: &str) -> std::io::Result<Self> {
        Self::greet(Lines::plain(host, 25).await?).await
    }

    /// Port 465.
    pub async fn submissions(host: &str) -> std::io::Result<Self> {
        Self::greet(Lines::tls(host, 465).await?).await
    }

    /// Port 587 with STARTTLS.
    pub async fn submission(host: &str) -> std::io::Result<Self> {
        let mut smtp = Self::greet(Lines::plain(host, 587).await?).await?;
        let answer = smtp.command("STARTTLS").await?;
        if !answer.starts_with("220") {
            return Err(std::io::Error::other(answer));
        }
        let mut smtp = Self { lines: smtp.lines.upgrade().await? };
        smtp.command("EHLO test.invalid").await?;
        Ok(smtp)
    }

    async fn greet(lines: Lines) -> std::io::Result<Self> {
        let mut smtp = Self { lines };
        let greeting = smtp.answer().await?;
        if !greeting.starts_with("220") {
            return Err(std::io::Error::other(greeting));
        }
        smtp.command("EHLO test.invalid").await?;
        Ok(smtp)
    }

    async fn answer(&mut self) -> std::io::Result<String> {
        let lines = self.lines.until(|l| l.as_bytes().get(3) != Some(&b'-')).await?;
        Ok(lines.last().cloned().unwrap_or_default())
    }

    /// One command and the last line of its answer.
    pub async fn command(&mut self, command: &str) -> std::io::Result<String> {
        self.lines.send(command).await?;
        self.answer().await
    }

    /// Lines that nothing answers to: a piece of a mail.
    pub async fn say(&mut self, lines: &str) -> std::io::Result<()> {
        self.lines.send(lines).await
    }

    /// AUTH PLAIN.
    pub async fn login(&mut self, user: &str, password: &str) -> std::io::Result<String> {
        let token = STANDARD.encode(format!("\0{user}\0{password}"));
        self.command(&format!("AUTH PLAIN {token}")).await
    }

    /// A whole mail; the first answer that is not as wished, or the one to the mail itself.
    pub async fn send(&mut self, from: &str, to: &str, subject: &str, body: &str) -> std::io::Result<String> {
        for command in [format!("MAIL FROM:<{from}>"), format!("RCPT TO:<{to}>"), "DATA".into()] {
            let answer = self.command(&command).await?;
            if !answer.starts_with('2') && !answer.starts_with('3') {
                let _ = self.command("RSET").await;
                return Ok(answer);
            }
        }
        let message = format!(
            "From: <{from}>\r\nTo: <{to}>\r\nSubject: {subject}\r\nMessage-ID: <{:016x}@test.invalid>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0700\r\n\r\n{body}\r\n.",
            rand::random::<u64>()
        );
        self.command(&message).await
    }
}

/// An IMAP session.
pub struct Imap {
    lines: Lines,
    tag: u32,
}

impl Imap {
    /// Port 993.
    pub async fn connect(host: &str) -> std::io::Result<Self> {
        let mut lines = Lines::tls(host, 993).await?;
        let greeting = lines.line().await?;
        if greeting.starts_with("* OK") { Ok(Self { lines, tag: 0 }) } else { Err(std::io::Error::other(greeting)) }
    }

    /// One command; all lines of its answer, the tagged one last and without its tag.
    pub async fn command(&mut self, command: &str) -> std::io::Result<Vec<String>> {
        self.tag += 1;
        let tag = format!("t{} ", self.tag);
        self.lines.send(&format!("{tag}{command}")).await?;
        let mut lines = self.lines.until(|l| l.starts_with(&tag)).await?;
        if let Some(last) = lines.last_mut() {
            *last = last[tag.len()..].to_string();
        }
        Ok(lines)
    }

    /// Logs in; the tagged answer.
    pub async fn login(host: &str, user: &str, password: &str) -> std::io::Result<(Self, String)> {
        let mut imap = Self::connect(host).await?;
        let answer = imap.command(&format!("LOGIN \"{user}\" \"{password}\"")).await?;
        Ok((imap, answer.last().cloned().unwrap_or_default()))
    }

    /// Waits for news (RFC 2177) until `done`.
    pub async fn idle(&mut self) -> std::io::Result<()> {
        self.tag += 1;
        self.lines.send(&format!("t{} IDLE", self.tag)).await?;
        self.lines.until(|l| l.starts_with('+')).await.map(drop)
    }

    /// Waits no more.
    pub async fn done(&mut self) -> std::io::Result<()> {
        self.lines.send("DONE").await?;
        let tag = format!("t{} ", self.tag);
        self.lines.until(|l| l.starts_with(&tag)).await.map(drop)
    }

    /// Waits for a line that the server sends by itself.
    pub async fn unsolicited(&mut self) -> std::io::Result<String> {
        self.lines.line().await
    }

    /// Headers of every mail of the INBOX.
    pub async fn headers(&mut self) -> std::io::Result<Vec<String>> {
        self.command("SELECT INBOX").await?;
        let lines = self.command("FETCH 1:* BODY.PEEK[HEADER]").await?;
        let mut mails: Vec<String> = Vec::new();
        for line in lines {
            match mails.last_mut() {
                Some(mail) if !line.starts_with("* ") => mail.push_str(&format!("{line}\n")),
                _ => mails.push(String::new()),
            }
        }
        Ok(mails)
    }

    /// Subjects of the INBOX.
    pub async fn subjects(&mut self) -> std::io::Result<Vec<String>> {
        self.command("SELECT INBOX").await?;
        let lines = self.command("FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]").await?;
        Ok(lines.iter().filter_map(|l| l.strip_prefix("Subject: ")).map(String::from).collect())
    }
}
