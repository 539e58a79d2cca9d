//! A small HTTP service that answers SQL queries from one shared session.
//!
//! ```text
//! cargo run --release -p dolmen-examples --bin http_service -- examples/data 127.0.0.1:8080
//! curl --data "SELECT carrier, count(*) AS n FROM flights GROUP BY carrier" http://127.0.0.1:8080/query
//! ```
//!
//! Statements may read the files of one folder, change nothing, use 512 MiB together and run for 10 seconds. At most eight
//! run at the same time; more are told to come back.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use dolmen::StorageError;
use dolmen::output::{Format, OutputOptions, ResultWriter};
use dolmen::prelude::*;
use futures::{StreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Statements that run at the same time.
const STATEMENTS_MAX: usize = 8;

#[derive(Clone)]
struct Service {
    session: Session,
    statements: Arc<Semaphore>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| "examples/data".to_owned());
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let service = Service { session: open(&folder).await?, statements: Arc::new(Semaphore::new(STATEMENTS_MAX)) };
    let listener = tokio::net::TcpListener::bind(&address).await?;
    eprintln!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, router(service)).with_graceful_shutdown(stopped()).await?;
    Ok(())
}

/// The shared session: limits first, then the tables.
async fn open(folder: &str) -> dolmen::Result<Session> {
    let session = Session::builder()
        .memory_limit(512 << 20)
        .timeout(Duration::from_secs(10))
        .external_access(ExternalAccess::roots([folder])?)
        .read_only(true)
        .build()?;
    session.register_files("flights", &format!("{folder}/flights.parquet"), []).await?;
    session.register_files("airlines", &format!("{folder}/airlines.csv"), []).await?;
    session.register_files("weather", &format!("{folder}/weather.csv"), [("nullstr", "NA".into())]).await?;
    Ok(session)
}

fn router(service: Service) -> Router {
    Router::new().route("/query", post(query)).route("/health", get(async || "ok")).with_state(service)
}

async fn stopped() {
    // Without a signal to wait for, the service runs until it is killed.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Runs the statement in the request's body; its rows stream back as one JSON object a line.
async fn query(State(service): State<Service>, statement: String) -> Response {
    let Ok(permit) = service.statements.try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many statements at once; try again\n").into_response();
    };
    match service.session.sql(statement).stream().await {
        Ok(batches) => {
            let content_type = [(header::CONTENT_TYPE, "application/x-ndjson")];
            (content_type, Body::from_stream(lines(batches, permit))).into_response()
        }
        Err(error) => (status_of(&error), format!("{}\n", error.report())).into_response(),
    }
}

/// The rows as text, a batch at a time. When the client goes away the stream is dropped, and that cancels the statement.
fn lines(batches: BatchStream, permit: OwnedSemaphorePermit) -> impl stream::Stream<Item = Result<Vec<u8>>> {
    let schema = batches.schema();
    batches.map(move |batch| {
        let _running = &permit;
        let batch = batch?;
        let mut text = Vec::new();
        let mut writer = ResultWriter::new(&mut text, &schema, OutputOptions::new(Format::NdJson));
        // Writing into memory does not fail.
        let _ = writer.write(&batch).and_then(|()| writer.finish());
        Ok(text)
    })
}

/// Whose fault it was.
fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::Timeout { .. } => StatusCode::REQUEST_TIMEOUT,
        Error::MemoryLimit { .. } => StatusCode::INSUFFICIENT_STORAGE,
        Error::ReadOnly { .. } | Error::Storage(StorageError::AccessDenied { .. }) => StatusCode::FORBIDDEN,
        Error::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream};

    const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data");

    async fn serve() -> SocketAddr {
        let service =
            Service { session: open(DATA).await.unwrap(), statements: Arc::new(Semaphore::new(STATEMENTS_MAX)) };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router(service)).await });
        address
    }

    fn send(address: SocketAddr, statement: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let head = format!(
            "POST /query HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
            statement.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(statement.as_bytes()).unwrap();
        stream
    }

    /// Posts a statement; the status code and the whole answer.
    fn post(address: SocketAddr, statement: &str) -> (u16, String) {
        let mut stream = send(address, statement);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer)
    }

    async fn ask(address: SocketAddr, statement: &'static str) -> (u16, String) {
        tokio::task::spawn_blocking(move || post(address, statement)).await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn answers_come_back_as_lines_of_json() {
        let address = serve().await;
        let (status, answer) = ask(address, "SELECT count(*) AS n FROM flights WHERE carrier = 'UA'").await;
        // 58,665 flights of United: counted with pandas in the package the data comes from.
        assert!(status == 200 && answer.contains("{\"n\":58665}"), "{answer}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_not_allowed_is_refused() {
        let address = serve().await;
        let (status, answer) = ask(address, "SELECT * FROM '/etc/passwd.csv'").await;
        assert_eq!(status, 403, "{answer}");
        let (status, answer) = ask(address, "CREATE TABLE t AS SELECT 1 AS a").await;
        assert!(status == 403 && answer.contains("read-only"), "{answer}");
        let (status, answer) = ask(address, "COPY flights TO '/tmp/stolen.csv'").await;
        assert_eq!(status, 403, "{answer}");
        let (status, answer) = ask(address, "SELECT dep_dely FROM flights").await;
        assert!(status == 400 && answer.contains("did you mean \"dep_delay\"?"), "{answer}");
    }

    /// Clients of every kind at the same time: quick ones, wrong ones, greedy ones, and some that hang up half way.
    #[tokio::test(flavor = "multi_thread")]
    async fn under_load_every_client_gets_its_own_answer() {
        let session = open(DATA).await.unwrap();
        let service = Service { session: session.clone(), statements: Arc::new(Semaphore::new(STATEMENTS_MAX)) };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = axum::serve(listener, router(service)).with_graceful_shutdown(async { drop(stopped.await) });
        let serving = tokio::spawn(async move { serving.await });
        let clients = (0..STATEMENTS_MAX * 3).map(|client| {
            tokio::task::spawn_blocking(move || {
                for round in 0..8 {
                    let n = client * 100 + round;
                    match client % 4 {
                        0 | 1 => {
                            let statement =
                                format!("SELECT {n} AS n, count(*) AS flights FROM flights WHERE carrier = 'UA'");
                            let (status, answer) = insist(address, &statement);
                            let expected = format!("{{\"n\":{n},\"flights\":58665}}");
                            assert!(status == 200 && answer.contains(&expected), "{answer}");
                        }
                        2 => {
                            let (status, answer) = insist(address, &format!("SELECT wrong_{n} FROM flights"));
                            assert!(status == 400 && answer.contains(&format!("wrong_{n}")), "{answer}");
                        }
                        _ => hang_up(address, "SELECT a.*, b.* FROM flights a, flights b"),
                    }
                }
            })
        });
        for client in futures::future::join_all(clients).await {
            client.unwrap();
        }
        let _ = stop.send(());
        serving.await.unwrap().unwrap();
        // What the clients left behind is cancelled, and nothing is held for it.
        for _ in 0..1000 {
            if session.running_tasks() == 0 && session.memory_used_bytes() == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} tasks, {} bytes are left", session.running_tasks(), session.memory_used_bytes());
    }

    /// Posts until the service has room.
    fn insist(address: SocketAddr, statement: &str) -> (u16, String) {
        loop {
            match post(address, statement) {
                (503, _) => std::thread::sleep(Duration::from_millis(5)),
                answer => return answer,
            }
        }
    }

    /// Posts, reads the beginning of the answer and goes away.
    fn hang_up(address: SocketAddr, statement: &str) {
        let mut stream = send(address, statement);
        let _ = stream.read(&mut [0; 100]);
    }
}
