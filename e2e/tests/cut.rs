//! A network that breaks in the middle of a large upload: the client goes on where it was, by
//! itself, and what arrives is the contribution that it sealed.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use sealsum_e2e::{Lab, RoundRequest, read_npy, say, write_npy};

/// A wire before a parent that breaks once, after so many bytes of one connection towards it. All of
/// what is sent towards it is counted.
struct Wire {
    url: String,
    carried: Arc<AtomicU64>,
}

impl Wire {
    fn before(parent: &str, breaks_after: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let parent: SocketAddr = parent["http://".len()..].parse().unwrap();
        let carried = Arc::new(AtomicU64::new(0));
        let budget = Arc::new(AtomicU64::new(breaks_after));
        let counted = Arc::clone(&carried);
        thread::spawn(move || {
            for near in listener.incoming() {
                let (near, far) = (near.unwrap(), TcpStream::connect(parent).unwrap());
                let (from, to) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                let (budget, counted) = (Arc::clone(&budget), Arc::clone(&counted));
                thread::spawn(move || carry(from, to, &budget, &counted));
                thread::spawn(move || std::io::copy(&mut &far, &mut &near));
            }
        });
        Self { url, carried }
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, budget: &AtomicU64, counted: &AtomicU64) {
    let (mut piece, mut of_this) = (vec![0; 16 * 1024], 0);
    while let Ok(read @ 1..) = from.read(&mut piece) {
        of_this += read as u64;
        if of_this > budget.load(Ordering::Relaxed) {
            budget.store(u64::MAX, Ordering::Relaxed);
            let _ = from.shutdown(Shutdown::Both);
            break;
        }
        counted.fetch_add(read as u64, Ordering::Relaxed);
        if to.write_all(&piece[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

#[test]
fn a_large_upload_goes_on_where_the_network_broke() {
    const ELEMENTS: usize = 3_000_000;
    let lab = Lab::start();
    let base_model = lab.folder().join("large.npy");
    write_npy(&base_model, &vec![0.5; ELEMENTS]);
    let round_id = lab.open(&RoundRequest {
        base_model: base_model.clone(),
        ..lab.request()
    });
    // Most of the way: beginning anew would carry nearly twice the upload.
    let wire = Wire::before(&lab.parent.url, 6_000_000);
    let mut hospitals = vec![];
    for (name, value) in [("a", 0.25), ("b", 0.5), ("c", 0.75)] {
        let mut hospital = lab.hospital(name);
        hospital.base_model = base_model.to_str().unwrap().to_owned();
        let update = lab.numbers(&format!("{name}.npy"), &vec![value; ELEMENTS]);
        let parent = if name == "a" {
            &wire.url
        } else {
            &lab.parent.url
        };
        let said = say(&[
            "contribute",
            "--parent",
            parent,
            "--identity",
            &hospital.identity,
            "--policy",
            &hospital.policy,
            "--round",
            &round_id,
            "--base-model",
            &hospital.base_model,
            "--update",
            &update,
            "--no-refund",
            "--mock",
        ]);
        let _ = said.ok();
        if name == "a" {
            let (carried, whole) = (wire.carried.load(Ordering::Relaxed), upload_bytes(ELEMENTS));
            assert!(carried < whole + whole / 4, "{carried} bytes for {whole}");
            assert!(
                carried > whole,
                "the wire did not break: {carried} of {whole}"
            );
        }
        hospitals.push(hospital);
    }
    let closed = lab.close(&round_id).ok();
    assert_eq!(closed["cohort_size"], 3);
    let out = lab.file("mean.npy");
    let _ = hospitals[0].collect(&lab.parent.url, &round_id, &out).ok();
    assert!(
        read_npy(out.as_ref())
            .iter()
            .all(|x| (x - 0.5).abs() < 1e-4)
    );
    let counts = sealsum_e2e::wire::metrics(&lab.parent.url);
    let went_on = "sealsum_parent_requests_total{method=\"PATCH\",path=\"/v1/rounds/{round_id}/contributions/{client_id}\",status=\"200\"} 1";
    assert!(counts.contains(went_on), "{counts}");
}

/// Of a mean with clip 1.0 and 16 fractional bits for up to ten clients: 21 bits an element.
const fn upload_bytes(elements: usize) -> u64 {
    (elements as u64 * 21).div_ceil(8)
}
