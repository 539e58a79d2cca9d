//! Credentials that statements give.

use dolmen::{ExternalAccess, Session};

use crate::fake_store::FakeStore;

fn run(session: &Session, sql: &str) -> Result<(), String> {
    session.sql(sql).collect_blocking().map(drop).map_err(|error| error.report())
}

fn secret(name: &str, key: &str, server: &FakeStore) -> String {
    let endpoint = server.url("");
    format!("{name} (TYPE s3, KEY_ID '{key}', SECRET 'the-secret-{key}', REGION 'eu-west-1', ENDPOINT '{endpoint}')")
}

#[test]
fn a_secret_opens_a_store_until_it_is_dropped() {
    let server = FakeStore::start();
    server.put("x.csv", "a\n1\n2\n");
    *server.content.required.lock().unwrap() = Some(("authorization", "AKIDRIGHT".to_owned()));
    let session = Session::builder().threads(1).build().unwrap();
    let sum = || {
        let rows = session.sql("SELECT sum(a) FROM 's3://bucket/x.csv'").rows_blocking::<(i64,)>();
        rows.map(|rows| rows[0].0).map_err(|error| error.report())
    };
    run(&session, &format!("CREATE SECRET {}", secret("mine", "AKIDWRONG", &server))).unwrap();
    let refused = sum().unwrap_err();
    assert!(!refused.contains("the-secret") && !refused.contains("AKIDWRONG"), "{refused}");
    let taken = run(&session, &format!("CREATE SECRET {}", secret("mine", "AKIDRIGHT", &server))).unwrap_err();
    assert!(taken.contains("already exists") && !taken.contains("AKIDRIGHT"), "{taken}");
    run(&session, &format!("CREATE SECRET IF NOT EXISTS {}", secret("mine", "AKIDRIGHT", &server))).unwrap();
    sum().unwrap_err();
    run(&session, &format!("CREATE OR REPLACE SECRET {}", secret("mine", "AKIDRIGHT", &server))).unwrap();
    assert_eq!(sum(), Ok(3));
    // Two for the same stores would leave it open which one counts; one for a bucket wins.
    let rival = run(&session, &format!("CREATE SECRET {}", secret("other", "AKIDOTHER", &server))).unwrap_err();
    assert!(rival.contains("same stores"), "{rival}");
    let narrow = secret("narrow", "AKIDNARROW", &server).replace("TYPE s3", "TYPE s3, SCOPE 's3://bucket'");
    run(&session, &format!("CREATE SECRET {narrow}")).unwrap();
    sum().unwrap_err();
    let rows = session.sql("SHOW SECRETS").rows_blocking::<(String, String, Option<String>, String)>().unwrap();
    let keys = "key_id, secret, region, endpoint".to_owned();
    let row =
        |name: &str, scope: Option<&str>| (name.to_owned(), "s3".to_owned(), scope.map(str::to_owned), keys.clone());
    assert_eq!(rows, [row("mine", None), row("narrow", Some("s3://bucket"))]);
    run(&session, "DROP SECRET narrow").unwrap();
    assert_eq!(sum(), Ok(3));
    run(&session, "DROP SECRET mine").unwrap();
    sum().unwrap_err();
    run(&session, "DROP SECRET IF EXISTS mine").unwrap();
    assert!(run(&session, "DROP SECRET mine").unwrap_err().contains("does not exist"));
}

#[test]
fn a_wrong_secret_is_not_shown() {
    let roots = ExternalAccess::roots(["s3://bucket/"]).unwrap();
    let session = Session::builder().threads(1).external_access(roots).build().unwrap();
    for (body, expected) in [
        ("(TYPE s3, KEY_ID 'hidden-value'", "a secret is written"),
        ("(KEY_ID 'hidden-value')", "a secret is written"),
        ("(TYPE s3, SECRET hidden-value)", "a secret is written"),
        ("(TYPE s5, SECRET 'hidden-value')", "known are s3"),
        ("(TYPE s3, SECERT 'hidden-value')", "did you mean `secret`"),
        ("(TYPE s3, SECRET 'hidden-value', ENDPOINT 'http://elsewhere')", "may not go everywhere"),
    ] {
        let error = run(&session, &format!("CREATE SECRET s {body}")).unwrap_err();
        assert!(error.contains(expected) && !error.contains("hidden"), "{body}: {error}");
    }
}
