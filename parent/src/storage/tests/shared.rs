//! What only the shared store does, against the servers of `parent/tests/servers/with.sh`.

use super::servers::{Servers, variable};
use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_shared_store_conforms() {
    let servers = Servers::new().await;
    conformance::conforms(&servers).await;
    assert_eq!(servers.files_in_the_spool(), 0);
}

#[test]
fn the_shared_store_agrees_with_a_plain_model() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    model::agrees_with_the_model(12, || runtime.block_on(Servers::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_no_blob_names_are_noted_and_go_some_hours_later() {
    let servers = Servers::new().await;
    let storage = servers.parent("one").await;
    hold(&*storage, [round(1)]).await;
    let blob = Blob::MaskedSum;
    write_blob(&*storage, round(1), blob, vec![1; 100]).await;
    assert_eq!(servers.count("objects").await, 0);
    let first = storage.blob(round(1), blob).await.unwrap().unwrap();
    write_blob(&*storage, round(1), blob, vec![2; 100]).await;
    write_blob(&*storage, round(1), Blob::Aggregate, vec![3; 100]).await;
    let third = storage
        .blob(round(1), Blob::Aggregate)
        .await
        .unwrap()
        .unwrap();
    storage
        .remove_blob(round(1), Blob::Aggregate)
        .await
        .unwrap();
    assert_eq!(servers.count("objects").await, 2);
    // One that was being written when its parent was killed.
    let crash = "INSERT INTO sealsum.objects VALUES ('crash', clock_timestamp())";
    servers.administration.batch_execute(crash).await.unwrap();
    storage.renew().await.unwrap();
    assert_eq!(servers.count("objects").await, 3);
    assert_eq!(first.read(0, 100).await.unwrap(), [1; 100]);

    let later = "UPDATE sealsum.objects SET since = since - interval '7 hours'";
    servers.administration.batch_execute(later).await.unwrap();
    let renamed = storage.blob(round(1), blob).await.unwrap().unwrap();
    storage.renew().await.unwrap();
    assert_eq!(servers.count("objects").await, 0);
    assert!(third.read(0, 100).await.is_err(), "the object is gone");
    assert_eq!(renamed.read(0, 100).await.unwrap(), [2; 100]);

    storage.remove_round(round(1)).await.unwrap();
    assert_eq!(servers.count("objects").await, 1);
    assert_eq!(renamed.read(0, 100).await.unwrap(), [2; 100]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_was_swept_away_is_not_committed() {
    let servers = Servers::new().await;
    let storage = servers.parent("one").await;
    hold(&*storage, [round(1)]).await;
    let forget = "CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
                  CREATE TRIGGER forget BEFORE INSERT ON sealsum.objects FOR EACH ROW EXECUTE FUNCTION forget()";
    servers.administration.batch_execute(forget).await.unwrap();
    let mut writer = storage.write_blob(round(1), Blob::Aggregate).await.unwrap();
    writer.write(b"late").unwrap();
    let error = writer.commit().await.unwrap_err();
    assert!(matches!(error, StorageError::Io { .. }), "{error}");
    assert!(
        storage
            .blob(round(1), Blob::Aggregate)
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_and_comes_back_costs_only_what_was_asked_meanwhile() {
    let servers = Servers::new().await;
    let storage = servers.parent("one").await;
    hold(&*storage, [round(1)]).await;
    storage.put(round(1), Record::State, vec![1]).await.unwrap();
    let name = servers.database_name();
    let server = servers.server().await;
    let away = format!(
        "ALTER DATABASE {name} ALLOW_CONNECTIONS false;
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    );
    server.batch_execute(&away).await.unwrap();
    for _ in 0..3 {
        let error = storage
            .put(round(1), Record::State, vec![2])
            .await
            .unwrap_err();
        assert!(error.passes(), "{error}");
        assert!(
            error
                .to_string()
                .contains("the database, to write a record"),
            "{error}"
        );
        let error = storage.record(round(1), Record::State).await.unwrap_err();
        assert!(error.passes(), "{error}");
    }
    let back = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true");
    server.batch_execute(&back).await.unwrap();
    let found = storage.record(round(1), Record::State).await.unwrap();
    assert_eq!(found, Some(vec![1]));
    storage.put(round(1), Record::State, vec![3]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_are_not_there_are_named() {
    let servers = Servers::new().await;
    let nobody = "postgresql://sealsum@127.0.0.1:1/postgres";
    let error = servers
        .open_with(&servers.database, nobody)
        .await
        .map(drop)
        .unwrap_err();
    assert!(
        error.passes() && error.to_string().contains("the database"),
        "{error}"
    );

    let s3 = variable("SEALSUM_TEST_S3");
    let storage = servers.open_with(&s3, "http://127.0.0.1:1").await.unwrap();
    hold(&*storage, [round(1)]).await;
    let writer = storage.write_blob(round(1), Blob::Aggregate).await.unwrap();
    let error = writer.commit().await.unwrap_err();
    assert!(
        error.passes() && error.to_string().contains("the object store"),
        "{error}"
    );
    assert!(
        storage
            .blob(round(1), Blob::Aggregate)
            .await
            .unwrap()
            .is_none()
    );
    // What that has noted is removed as a leftover.
    assert_eq!(servers.count("objects").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_is_reached_by_tls_if_its_certificate_verifies() {
    let servers = Servers::new().await;
    let name = servers.database_name();
    let tls = variable("SEALSUM_TEST_DATABASE_TLS").replace("/postgres?", &format!("/{name}?"));
    let error = servers
        .open_with(&servers.database, &tls)
        .await
        .map(drop)
        .unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");

    let authority = format!(
        "{tls}\"\nauthority = \"{}",
        variable("SEALSUM_TEST_AUTHORITY")
    );
    let storage = servers
        .open_with(&servers.database, &authority)
        .await
        .unwrap();
    hold(&*storage, [round(1)]).await;
    let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                     WHERE ssl AND version = 'TLSv1.3' AND datname = current_database()";
    let row = servers
        .administration
        .query_one(encrypted, &[])
        .await
        .unwrap();
    assert!(row.get::<_, i64>(0) >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_a_later_parent_are_left_alone() {
    let servers = Servers::new().await;
    drop(servers.parent("one").await);
    let later = "UPDATE sealsum.version SET version = 2";
    servers.administration.batch_execute(later).await.unwrap();
    let opened = servers.settings("https://two.example").open().await;
    let error = opened.map(drop).unwrap_err();
    assert!(
        matches!(error, StorageError::Tables { found: 2, .. }),
        "{error}"
    );
}
