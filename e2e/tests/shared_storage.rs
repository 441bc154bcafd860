//! The database that parents share is outside the trusted base, as a folder is: rolled back or edited
//! by SQL, it makes the enclave release nothing twice and nothing else.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use sealsum_e2e::{Hospital, Lab, Parent, read_npy, say};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

/// A lab whose parent keeps its rounds in a database of this test's own.
struct Vault {
    lab: Lab,
    hospitals: Vec<Hospital>,
    runtime: Runtime,
    name: String,
}

fn variable(name: &str) -> String {
    let told = std::env::var(name);
    told.unwrap_or_else(|_| panic!("{name} is not set: run parent/tests/servers/with.sh"))
}

fn url_of(database: &str) -> String {
    variable("SEALSUM_TEST_DATABASE").replace("/postgres", &format!("/{database}"))
}

fn connect(runtime: &Runtime, database: &str) -> Client {
    runtime.block_on(async {
        let connected = tokio_postgres::connect(&url_of(database), NoTls).await;
        let (client, connection) = connected.unwrap();
        tokio::spawn(connection);
        client
    })
}

fn make_bucket() {
    let s3 = variable("SEALSUM_TEST_S3");
    let address = s3.trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let put = format!(
        "PUT /rounds HTTP/1.1\r\nhost: {address}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    std::io::Write::write_all(&mut stream, put.as_bytes()).unwrap();
    std::io::Read::read_to_end(&mut stream, &mut Vec::new()).unwrap();
}

impl Vault {
    fn new(name: &str) -> Self {
        make_bucket();
        let mut lab = Lab::start();
        lab.parent.kill();
        fs::write(lab.file("key"), "test").unwrap();
        let hospitals = ["a", "b", "c", "d"].map(|name| lab.hospital(name));
        let mut vault = Self {
            lab,
            hospitals: hospitals.into(),
            runtime: Runtime::new().unwrap(),
            name: format!("e{}_{name}", std::process::id()),
        };
        vault.server(&format!("CREATE DATABASE {}", vault.name));
        vault.start();
        vault
    }

    /// A statement beside the database.
    fn server(&self, statement: &str) {
        let client = connect(&self.runtime, "postgres");
        let done = self.runtime.block_on(client.batch_execute(statement));
        done.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }

    fn start(&mut self) {
        self.lab.parent = self.parent_at("127.0.0.1:0", "spool");
    }

    /// One that the others send on to.
    fn parent_at(&self, listen: &str, spool: &str) -> Parent {
        let (key, lab) = (self.lab.file("key"), &self.lab);
        let storage = [
            ("kind", "shared".to_owned()),
            ("database", url_of(&self.name)),
            ("bucket", format!("s3://rounds/{}", self.name)),
            ("endpoint", variable("SEALSUM_TEST_S3")),
            ("region", "eu-central-1".to_owned()),
            ("access_key_id_file", key.clone()),
            ("secret_access_key_file", key),
            ("advertise", format!("http://{listen}")),
            ("spool", lab.file(spool)),
            ("lease_seconds", "1".to_owned()),
        ];
        Parent::start_on_at(listen, lab.folder(), &lab.enclave.address, &storage)
    }

    /// The parent is killed, the database changed, and another one started on it.
    fn while_down(&mut self, change: impl FnOnce(&Self)) {
        self.lab.parent.kill();
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname";
        self.server(&format!("{end} = '{}'", self.name));
        change(self);
        self.start();
    }

    /// How many rows one statement changed.
    fn edit(&mut self, statement: &str) -> u64 {
        let mut changed = 0;
        self.while_down(|vault| {
            let client = connect(&vault.runtime, &vault.name);
            let done = vault.runtime.block_on(client.execute(statement, &[]));
            changed = done.unwrap();
        });
        changed
    }

    fn contribute(&self, round: &str, hospital: usize) {
        let value = (hospital + 1) as f32 / 8.0;
        let update = self.lab.numbers("update.npy", &[value; 20]);
        let said = self.hospitals[hospital].contribute(&self.lab.parent.url, round, &update);
        assert_eq!(said.ok()["round_id"], round);
    }

    fn collect(&self, round: &str) -> Result<f64, String> {
        let out = self.lab.file("out.npy");
        let _ = fs::remove_file(&out);
        let said = self.hospitals[0].collect(&self.lab.parent.url, round, &out);
        if said.code != 0 {
            return Err(said.json["error"]["code"].as_str().unwrap().to_owned());
        }
        Ok(read_npy(Path::new(&out))[0])
    }

    /// Once the killed parent's lease has run out.
    fn becomes(&self, round: &str, phase: &str) {
        let begun = Instant::now();
        let url = &self.lab.parent.url;
        while say(&["round", "status", "--parent", url, round]).json["phase"] != phase {
            assert!(begun.elapsed() < Duration::from_secs(30), "never {phase}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Adversary: whoever has the database puts an earlier copy in its place.
#[test]
fn i03_a_database_rolled_back_to_before_the_close_releases_no_second_sum() {
    for intake in ["stream", "presum"] {
        let mut vault = Vault::new(intake);
        let mut request = vault.lab.request();
        request.intake = intake;
        let round = vault.lab.open(&request);
        (0..3).for_each(|hospital| vault.contribute(&round, hospital));
        let name = vault.name.clone();
        let (early, late) = (format!("{name}_early"), format!("{name}_late"));
        vault.while_down(|vault| vault.server(&format!("CREATE DATABASE {early} TEMPLATE {name}")));
        vault.becomes(&round, "collecting");
        vault.contribute(&round, 3);
        assert_eq!(vault.lab.close(&round).ok()["cohort_size"], 4);
        let released = vault.collect(&round).unwrap();

        let rename = |vault: &Vault, from: &str, to: &str| {
            vault.server(&format!("ALTER DATABASE {from} RENAME TO {to}"));
        };
        vault.while_down(|vault| {
            rename(vault, &name, &late);
            rename(vault, &early, &name);
        });
        vault.becomes(&round, "collecting");
        assert_eq!(vault.lab.close(&round).refused(1).0, "rolled_back");
        assert_eq!(vault.collect(&round), Err("not_released".to_owned()));
        vault.while_down(|vault| {
            rename(vault, &name, &early);
            rename(vault, &late, &name);
        });
        vault.becomes(&round, "released");
        assert_eq!(vault.collect(&round), Ok(released));
    }
}

/// Adversary: whoever has the database adds a client, takes proofs away and sets phases back.
#[test]
fn i02_no_row_of_the_database_changes_what_is_released() {
    let mut vault = Vault::new("rows");
    let round = vault.lab.open(&vault.lab.request());
    (0..3).for_each(|hospital| vault.contribute(&round, hospital));
    let stranger = "INSERT INTO sealsum.records
                    SELECT kind, round_id, decode(repeat('00', 32), 'hex'), value
                    FROM sealsum.records WHERE kind = 'acceptance' LIMIT 1";
    assert_eq!(vault.edit(stranger), 1);
    vault.becomes(&round, "collecting");
    assert_eq!(vault.lab.close(&round).ok()["cohort_size"], 3);
    let released = vault.collect(&round);
    assert_eq!(released, Ok(0.25));

    let back = "UPDATE sealsum.records
                SET value = convert_to(
                    replace(convert_from(value, 'UTF8'), 'released', 'collecting'), 'UTF8')
                WHERE kind = 'state'";
    assert_eq!(vault.edit(back), 1);
    vault.becomes(&round, "released");
    assert_eq!(vault.collect(&round), released);
    let receipt = "DELETE FROM sealsum.records WHERE kind = 'receipt'";
    assert_eq!(vault.edit(receipt), 1);
    vault.becomes(&round, "released");
    assert_eq!(vault.collect(&round), released);
}

/// Two parents, one enclave: clients come to either, and the one that works the round is killed.
#[test]
fn a_round_goes_on_at_another_parent_when_its_own_is_killed() {
    let mut vault = Vault::new("neighbours");
    let [first, second] = [(); 2].map(|()| {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().to_string()
    });
    vault.lab.parent.kill();
    let mut holder = vault.parent_at(&first, "spool-1");
    let other = vault.parent_at(&second, "spool-2");
    let round = vault
        .lab
        .open_at(&holder.url, "operator.key", &vault.lab.request());
    vault.lab.parent = other;
    // Both by the other one's address, which sends them on to who has the round.
    vault.contribute(&round, 0);
    vault.contribute(&round, 1);
    let counts = sealsum_e2e::wire::metrics(&holder.url);
    assert!(
        counts.contains("sealsum_parent_contributions_total 2"),
        "{counts}"
    );
    holder.kill();
    // Its lease runs out within a second or two, and the other takes the round over.
    let begun = Instant::now();
    let update = vault.lab.numbers("update.npy", &[3.0 / 8.0; 20]);
    loop {
        let said = vault.hospitals[2].contribute(&vault.lab.parent.url, &round, &update);
        if said.code == 0 {
            break;
        }
        assert_eq!(said.code, 3, "{said:?}");
        assert!(begun.elapsed() < Duration::from_secs(60), "{said:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
    let closed = vault.lab.close(&round).ok();
    assert_eq!(
        closed["cohort_size"], 3,
        "what the killed one acknowledged is in"
    );
    assert!((vault.collect(&round).unwrap() - 0.25).abs() < 1e-4);
}
