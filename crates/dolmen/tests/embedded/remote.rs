//! Object stores and web servers, through SQL, against a server on the loopback address.

use std::sync::atomic::Ordering;
use std::time::Duration;

use dolmen::prelude::*;

use crate::fake_store::FakeStore;

/// A session for each kind of store, and the URL of its bucket.
fn sessions(server: &FakeStore) -> [(&'static str, Session, &'static str); 3] {
    let endpoint = server.url("");
    let account = format!(
        r#"{{"gcs_base_url": "{endpoint}", "disable_oauth": true, "client_email": "", "private_key": "", "private_key_id": ""}}"#
    );
    let session = |options: &[(&str, &str)]| {
        let builder = Session::builder().threads(2);
        options.iter().fold(builder, |builder, (key, value)| builder.storage_option(*key, *value)).build().unwrap()
    };
    [
        (
            "s3",
            session(&[
                ("aws_endpoint", &endpoint),
                ("aws_region", "eu-west-1"),
                ("aws_access_key_id", "AKIAEXAMPLE"),
                ("aws_secret_access_key", "wJalrXUtnFEMIK7MDENG"),
            ]),
            "s3://bucket",
        ),
        ("gs", session(&[("google_service_account_key", &account), ("allow_http", "true")]), "gs://bucket"),
        (
            "az",
            session(&[
                ("azure_storage_endpoint", &endpoint),
                ("azure_storage_account_name", "account"),
                ("azure_storage_account_key", "c2VjcmV0LWtleS1vZi1henVyZQ=="),
            ]),
            "az://bucket",
        ),
    ]
}

const ROWS: &str = "SELECT x, x % 3 AS k, 'text ' || x AS t FROM generate_series(1, 1000) AS s(x)";

#[test]
fn every_store_is_written_and_read() {
    for idx in 0..3 {
        let server = FakeStore::start();
        let (name, session, bucket) = sessions(&server).into_iter().nth(idx).unwrap();
        let sum = |from: &str| -> Vec<(i64, i64)> {
            let query = format!("SELECT count(*), sum(x) FROM {from}");
            session.sql(query).rows_blocking().unwrap_or_else(|error| panic!("{name}: {from}: {}", error.report()))
        };
        for file in ["a/b c.csv", "a/d.parquet", "a/e.json.gz"] {
            let location = format!("{bucket}/{file}");
            let written = session.sql(ROWS).write_to_blocking(&location, []);
            assert_eq!(written.unwrap_or_else(|error| panic!("{name}: {}", error.report())), 1000, "{location}");
            assert_eq!(sum(&format!("'{location}'")), [(1000, 500_500)], "{location}");
        }
        let options = [("format", "parquet".into()), ("partition_by", "k".into())];
        session.sql(ROWS).write_to_blocking(&format!("{bucket}/parts"), options).unwrap();
        assert_eq!(sum(&format!("'{bucket}/parts/'")), [(1000, 500_500)]);
        assert_eq!(sum(&format!("'{bucket}/parts/' WHERE k = 1")), [(334, 167_167)]);
        assert_eq!(sum(&format!("'{bucket}/parts/k=2/*.parquet'")), [(333, 166_500)]);
        assert_eq!(sum(&format!("read_csv(['{bucket}/a/b c.csv', '{bucket}/a/b c.csv'])")), [(2000, 1_001_000)]);
        let missing = session.sql(format!("SELECT * FROM '{bucket}/none.csv'")).rows_blocking::<i64>().unwrap_err();
        assert!(missing.to_string().contains("none.csv` does not exist"), "{name}: {missing}");

        // Larger than one request may be: sent in parts, and whole afterwards.
        let big = "SELECT x, md5(x::text) AS k, md5((x + 1)::text) AS t FROM generate_series(1, 400000) AS s(x)";
        session.sql(big).write_to_blocking(&format!("{bucket}/big.csv"), []).unwrap();
        assert!(server.content.n_parts.load(Ordering::SeqCst) > 1, "{name}");
        assert_eq!(sum(&format!("'{bucket}/big.csv'")), [(400_000, 80_000_200_000)]);
        assert_eq!(server.unfinished(), 0);
    }
}

#[test]
fn a_failed_or_cancelled_write_to_a_store_shows_nothing() {
    let failing =
        "SELECT x, x % 5 AS k, md5(x::text) AS t, 1 / (x - 499990) AS q FROM generate_series(1, 500000) AS s(x)";
    let endless = "SELECT x, x % 5 AS k, md5(x::text) AS t FROM generate_series(1, 100000000000) AS s(x)";
    for idx in 0..3 {
        let server = FakeStore::start();
        let (name, session, bucket) = sessions(&server).into_iter().nth(idx).unwrap();
        server.put("kept.csv", "old\n");
        let parts = || [("format", "csv".into()), ("partition_by", "k".into())];
        session.sql(failing).write_to_blocking(&format!("{bucket}/kept.csv"), []).unwrap_err();
        session.sql(failing).write_to_blocking(&format!("{bucket}/parts"), parts()).unwrap_err();
        let query = session.sql(endless).timeout(Duration::from_millis(700));
        query.write_to_blocking(&format!("{bucket}/kept.csv"), []).unwrap_err();
        let query = session.sql(endless).timeout(Duration::from_millis(700));
        query.write_to_blocking(&format!("{bucket}/parts"), parts()).unwrap_err();
        for _ in 0..500 {
            if session.running_tasks() == 0 && (server.unfinished() == 0 || name == "az") {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(server.keys(), ["kept.csv"], "{name}");
        // Azure clears blocks that belong to nothing away by itself.
        assert!(server.unfinished() == 0 || name == "az", "{name}: {} uploads", server.unfinished());
        let rows: Vec<i64> =
            session.sql(format!("SELECT count(*) FROM read_text('{bucket}/kept.csv')")).rows_blocking().unwrap();
        assert_eq!(rows, [1]);
    }
}

#[test]
fn credentials_reach_the_store_and_no_message() {
    let server = FakeStore::start();
    server.put("x.csv", "a\n1\n");
    *server.content.required.lock().unwrap() = Some(("authorization", "AKIAEXAMPLE/".to_owned()));
    let [(_, s3, _), _, (_, azure, _)] = sessions(&server);
    assert_eq!(s3.sql("SELECT a FROM 's3://bucket/x.csv'").rows_blocking::<i64>().unwrap(), [1]);
    let refused = azure.sql("SELECT a FROM 'az://bucket/x.csv'").rows_blocking::<i64>().unwrap_err();
    *server.content.required.lock().unwrap() = Some(("authorization", "AKIAOTHER/".to_owned()));
    let second = s3.sql("SELECT a FROM 's3://bucket/x.csv'").rows_blocking::<i64>().unwrap_err();
    let written = s3.sql("SELECT 1 AS a").write_to_blocking("s3://bucket/y.csv", []).unwrap_err();
    for error in [refused, second, written] {
        let told = format!("{error} {error:?} {}", error.report());
        for secret in ["wJalr", "AKIAEXAMPLE", "c2VjcmV0", "Signature="] {
            assert!(!told.contains(secret), "{secret}: {told}");
        }
    }
    for (session, key) in [(&s3, "wJalr"), (&azure, "c2VjcmV0")] {
        for statement in ["SHOW ALL", "SHOW SETTINGS", "SELECT * FROM information_schema.df_settings"] {
            assert!(!session.sql(statement).table_blocking().unwrap().contains(key), "{statement}");
        }
    }
}

#[test]
fn web_servers_are_read_and_not_written() {
    let server = FakeStore::start();
    server.put("data/x y.csv", "a,b\n1,\"two\nlines\"\n3,4\n");
    let session = Session::builder().threads(2).build().unwrap();
    let query = format!("SELECT sum(a), count(*) FROM '{}'", server.url("/data/x%20y.csv"));
    assert_eq!(session.sql(query).rows_blocking::<(i64, i64)>().unwrap(), [(4, 2)]);
    let signed = format!("SELECT sum(a), count(*) FROM '{}'", server.url("/data/x%20y.csv?sig=0123abcd"));
    assert_eq!(session.sql(signed).rows_blocking::<(i64, i64)>().unwrap(), [(4, 2)]);
    for path in ["/none.csv?sig=0123abcd", "/data/*.csv?sig=0123abcd"] {
        let error = session.sql(format!("SELECT * FROM '{}'", server.url(path))).rows_blocking::<i64>().unwrap_err();
        let told = format!("{error} {error:?} {}", error.report());
        assert!(!told.contains("0123abcd"), "{told}");
    }
    let before = server.keys();
    session.sql("SELECT 1 AS a").write_to_blocking(&server.url("/data/new.csv"), []).unwrap_or_default();
    let closed = format!("SELECT * FROM '{}'", "http://127.0.0.1:1/x.csv");
    let error = session.sql(closed).timeout(Duration::from_secs(20)).rows_blocking::<i64>().unwrap_err();
    assert!(error.to_string().contains("127.0.0.1:1") || matches!(error, Error::Timeout { .. }), "{error}");
    let _ = before;
}
