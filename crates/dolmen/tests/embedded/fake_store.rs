//! A server on the loopback address that speaks as much of S3, Google Cloud Storage and Azure as their clients ask for.
//!
//! Paths are `/bucket/key`. S3 and Google's XML interface are alike; Azure lists and uploads in its own words.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// The parts of an upload by their name.
type Parts = BTreeMap<String, Vec<u8>>;

#[derive(Default)]
pub(crate) struct Content {
    /// What a reader would see, by key.
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    /// Parts of uploads that are not complete, by key and upload, then by part.
    uploads: Mutex<BTreeMap<(String, String), Parts>>,
    pub(crate) n_parts: AtomicUsize,
    /// The header that every request must have, with a text in its value.
    pub(crate) required: Mutex<Option<(&'static str, String)>>,
}

pub(crate) struct FakeStore {
    pub(crate) content: Arc<Content>,
    authority: String,
    is_stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Request {
    method: String,
    path: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

struct Response(u16, Vec<(&'static str, String)>, Vec<u8>);

impl FakeStore {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let (content, is_stopping) = (Arc::new(Content::default()), Arc::new(AtomicBool::new(false)));
        let (shared, stop) = (Arc::clone(&content), Arc::clone(&is_stopping));
        let thread = std::thread::spawn(move || {
            for connection in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&shared);
                // Ends with its one request.
                std::thread::spawn(move || serve(&connection.unwrap(), &shared));
            }
        });
        Self { content, authority, is_stopping, thread: Some(thread) }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.authority)
    }

    pub(crate) fn put(&self, key: &str, body: impl Into<Vec<u8>>) {
        self.content.objects.lock().unwrap().insert(key.to_owned(), body.into());
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.content.objects.lock().unwrap().keys().cloned().collect()
    }

    pub(crate) fn unfinished(&self) -> usize {
        self.content.uploads.lock().unwrap().len()
    }
}

impl Drop for FakeStore {
    fn drop(&mut self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        // The thread waits for a connection; this one ends it.
        let _ = TcpStream::connect(&self.authority);
        let _ = self.thread.take().unwrap().join();
    }
}

fn decoded(text: &str) -> String {
    // A form's `+` is a blank, a path's is itself.
    let pairs = format!("x={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(pairs.as_bytes()).next().unwrap().1.into_owned()
}

fn serve(connection: &TcpStream, content: &Content) {
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    let mut words = line.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((key, value)) = line.trim_end().split_once(": ") {
            headers.insert(key.to_lowercase(), value.to_owned());
        }
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let request = Request { method, path: decoded(path), query, headers, body };
    let Response(status, headers, body) = answer(&request, content);
    let length =
        headers.iter().find(|(key, _)| *key == "Content-Length").map_or(body.len(), |(_, n)| n.parse().unwrap());
    let mut out = format!("HTTP/1.1 {status} -\r\nContent-Length: {length}\r\nConnection: close\r\n");
    for (key, value) in headers.iter().filter(|(key, _)| *key != "Content-Length") {
        out.push_str(&format!("{key}: {value}\r\n"));
    }
    let mut out = (out + "\r\n").into_bytes();
    out.extend(body);
    let _ = (&mut &*connection).write_all(&out);
}

fn answer(request: &Request, content: &Content) -> Response {
    if let Some((header, text)) = &*content.required.lock().unwrap()
        && !request.headers.get(*header).is_some_and(|value| value.contains(text))
    {
        return Response(403, vec![], b"<Error><Code>AccessDenied</Code></Error>".to_vec());
    }
    let key = request.path.strip_prefix("/bucket").unwrap_or(&request.path).trim_start_matches('/').to_owned();
    let query = |name: &str| request.query.get(name).cloned();
    let is = |name: &str, value: &str| request.query.get(name).is_some_and(|found| found == value);
    let etag = vec![("ETag", "\"e\"".to_owned())];
    let mut uploads = content.uploads.lock().unwrap();
    match request.method.as_str() {
        "GET" if query("list-type").is_some() || is("comp", "list") => list(request, content),
        "GET" | "HEAD" => object(request, content, &key),
        "POST" if query("uploads").is_some() => {
            let id = format!("upload-{}", uploads.len());
            uploads.insert((key.clone(), id.clone()), BTreeMap::new());
            let body = format!(
                "<InitiateMultipartUploadResult><Bucket>bucket</Bucket><Key>{key}</Key><UploadId>{id}</UploadId>\
                 </InitiateMultipartUploadResult>"
            );
            Response(200, vec![], body.into_bytes())
        }
        "PUT" if query("partNumber").is_some() => {
            content.n_parts.fetch_add(1, Ordering::SeqCst);
            let part = format!("{:0>6}", query("partNumber").unwrap());
            let Some(upload) = uploads.get_mut(&(key, query("uploadId").unwrap())) else {
                return Response(404, vec![], vec![]);
            };
            upload.insert(part, request.body.clone());
            Response(200, etag, vec![])
        }
        "POST" if query("uploadId").is_some() => {
            let Some(parts) = uploads.remove(&(key.clone(), query("uploadId").unwrap())) else {
                return Response(404, vec![], vec![]);
            };
            let whole = parts.into_values().flatten().collect();
            content.objects.lock().unwrap().insert(key, whole);
            let body = "<CompleteMultipartUploadResult><ETag>\"e\"</ETag></CompleteMultipartUploadResult>";
            Response(200, etag, body.into())
        }
        "DELETE" if query("uploadId").is_some() => {
            uploads.remove(&(key, query("uploadId").unwrap()));
            Response(204, vec![], vec![])
        }
        "DELETE" => {
            content.objects.lock().unwrap().remove(&key);
            Response(if is("comp", "") { 202 } else { 204 }, vec![], vec![])
        }
        "PUT" if is("comp", "block") => {
            content.n_parts.fetch_add(1, Ordering::SeqCst);
            let block = query("blockid").unwrap();
            uploads.entry((key, String::new())).or_default().insert(block, request.body.clone());
            Response(201, vec![], vec![])
        }
        "PUT" if is("comp", "blocklist") => {
            let mut parts = uploads.remove(&(key.clone(), String::new())).unwrap_or_default();
            let names = String::from_utf8_lossy(&request.body).into_owned();
            let mut whole = vec![];
            for name in names.split("<Uncommitted>").skip(1) {
                whole.extend(parts.remove(name.split('<').next().unwrap()).unwrap());
            }
            content.objects.lock().unwrap().insert(key, whole);
            Response(201, etag, vec![])
        }
        "PUT" => {
            content.objects.lock().unwrap().insert(key, request.body.clone());
            Response(if request.headers.contains_key("x-ms-blob-type") { 201 } else { 200 }, etag, vec![])
        }
        _ => Response(405, vec![], vec![]),
    }
}

const MODIFIED: &str = "Wed, 21 Oct 2015 07:28:00 GMT";

fn object(request: &Request, content: &Content, key: &str) -> Response {
    let objects = content.objects.lock().unwrap();
    let Some(body) = objects.get(key) else { return Response(404, vec![], vec![]) };
    let mut headers = vec![("Last-Modified", MODIFIED.to_owned()), ("ETag", "\"e\"".to_owned())];
    if request.method == "HEAD" {
        headers.push(("Content-Length", body.len().to_string()));
        return Response(200, headers, vec![]);
    }
    let range = request.headers.get("range").or_else(|| request.headers.get("x-ms-range"));
    let Some((start, end)) = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-')) else {
        return Response(200, headers, body.clone());
    };
    let start: usize = match start {
        "" => body.len() - end.parse::<usize>().unwrap(),
        start => start.parse().unwrap(),
    };
    let end =
        if start == 0 && end.is_empty() { body.len() } else { end.parse().map_or(body.len(), |end: usize| end + 1) };
    let end = end.min(body.len());
    headers.push(("Content-Range", format!("bytes {start}-{}/{}", end - 1, body.len())));
    Response(206, headers, body[start..end].to_vec())
}

fn list(request: &Request, content: &Content) -> Response {
    let prefix = request.query.get("prefix").cloned().unwrap_or_default();
    let by_folder = request.query.contains_key("delimiter");
    let is_azure = request.query.contains_key("comp");
    let (mut files, mut folders) = (String::new(), BTreeSet::new());
    for (key, body) in content.objects.lock().unwrap().iter().filter(|(key, _)| key.starts_with(&prefix)) {
        match key[prefix.len()..].split_once('/') {
            Some((folder, _)) if by_folder => {
                folders.insert(format!("{prefix}{folder}/"));
            }
            _ if is_azure => files.push_str(&format!(
                "<Blob><Name>{key}</Name><Properties><Last-Modified>{MODIFIED}</Last-Modified><Content-Length>{}\
                 </Content-Length><Content-Type>x</Content-Type><Etag>e</Etag></Properties></Blob>",
                body.len()
            )),
            _ => files.push_str(&format!(
                "<Contents><Key>{key}</Key><Size>{}</Size><LastModified>2020-01-01T00:00:00.000Z</LastModified>\
                 <ETag>\"e\"</ETag></Contents>",
                body.len()
            )),
        }
    }
    let tag = if is_azure {
        ("<BlobPrefix><Name>", "</Name></BlobPrefix>")
    } else {
        ("<CommonPrefixes><Prefix>", "</Prefix></CommonPrefixes>")
    };
    let folders: String = folders.iter().map(|folder| format!("{}{folder}{}", tag.0, tag.1)).collect();
    let body = match is_azure {
        true => format!("<EnumerationResults><Blobs>{files}{folders}</Blobs><NextMarker /></EnumerationResults>"),
        false => format!("<ListBucketResult><IsTruncated>false</IsTruncated>{files}{folders}</ListBucketResult>"),
    };
    Response(200, vec![("Content-Type", "application/xml".to_owned())], body.into_bytes())
}
