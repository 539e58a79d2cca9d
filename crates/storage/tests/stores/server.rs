//! A web server on a free port of the loopback address, for as long as a test needs it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A request, as far as the tests look at it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query, as they were sent.
    pub(crate) target: String,
    headers: Vec<(String, String)>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

/// An answer: status, headers, body.
pub(crate) struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Response {
    pub(crate) fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn header(mut self, key: &str, value: &str) -> Self {
        self.headers.push((key.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// A file, whole or the range that was asked for.
    pub(crate) fn file(request: &Request, content: &[u8]) -> Self {
        let modified = "Wed, 21 Oct 2015 07:28:00 GMT";
        let range = request.header("range").and_then(|range| range.strip_prefix("bytes="));
        let Some((start, end)) = range.and_then(|range| range.split_once('-')) else {
            return Self::status(200).header("Last-Modified", modified).body(content);
        };
        let start: usize = start.parse().unwrap();
        let end = end.parse::<usize>().map_or(content.len(), |end| (end + 1).min(content.len()));
        let content_range = format!("bytes {start}-{}/{}", end - 1, content.len());
        let partial = Self::status(206).header("Last-Modified", modified);
        partial.header("Content-Range", &content_range).body(&content[start..end])
    }
}

type Handler = dyn Fn(&Request) -> Response + Send + Sync;

pub(crate) struct Server {
    authority: String,
    requests: Arc<Mutex<Vec<Request>>>,
    is_stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(handler: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let (requests, is_stopping) = (Arc::new(Mutex::default()), Arc::new(AtomicBool::new(false)));
        let (seen, stop) = (Arc::clone(&requests), Arc::clone(&is_stopping));
        let thread = std::thread::spawn(move || {
            for connection in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                serve(&connection.unwrap(), &handler, &seen);
            }
        });
        Self { authority, requests, is_stopping, thread: Some(thread) }
    }

    /// `host:port`.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.authority)
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        // The thread waits for a connection; this one ends it.
        let _ = TcpStream::connect(&self.authority);
        let _ = self.thread.take().unwrap().join();
    }
}

/// Answers one request and closes, so that no connection outlives its test.
fn serve(connection: &TcpStream, handler: &Handler, seen: &Mutex<Vec<Request>>) {
    let mut lines = BufReader::new(connection).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let mut words = first.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let header = |line: String| line.split_once(": ").map(|(k, v)| (k.to_owned(), v.to_owned()));
    let headers = lines.take_while(|line| !line.is_empty()).filter_map(header).collect();
    let request = Request { method, target, headers };
    seen.lock().unwrap().push(request.clone());

    let Response { status, headers, body } = handler(&request);
    let mut out = format!("HTTP/1.1 {status} -\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
    for (key, value) in headers {
        out.push_str(&format!("{key}: {value}\r\n"));
    }
    let mut out = (out + "\r\n").into_bytes();
    if request.method != "HEAD" {
        out.extend(body);
    }
    let _ = (&mut &*connection).write_all(&out);
}
