//! Checklist 4: the certificates together. Each document is signed by the leaf key that it names.

use super::Cases;
use crate::Document;
use crate::der::{DIGITAL_SIGNATURE, KEY_CERT_SIGN, basic_constraints, key_usage};
use crate::pki::{INSTANCE, LEAF, Pki, REGIONAL, ROOT};

pub(super) fn add(cases: &mut Cases) {
    roots(cases);
    order(cases);
    names(cases);
    let mut issued = |row, what: &str, expect, change: &dyn Fn(&mut Pki)| {
        let mut pki = Pki::sound();
        change(&mut pki);
        cases.add(row, what, expect, Document::under(&pki).bytes());
    };
    issued("self-signed", "leaf-by-name", "chain-broken-link", &|pki| {
        pki.certificates[LEAF].issuer = "leaf";
        pki.certificates[LEAF].signer = LEAF;
    });
    issued("self-signed", "leaf-by-key", "chain-signature", &|pki| {
        pki.certificates[LEAF].signer = LEAF;
    });
    issued("issuer-name", "leaf", "chain-broken-link", &|pki| {
        pki.certificates[LEAF].issuer = "zonal";
    });
    issued("issuer-name", "regional", "chain-broken-link", &|pki| {
        pki.certificates[REGIONAL].issuer = "Root";
    });
    issued(
        "leaf-as-authority",
        "",
        "certificate-not-an-authority",
        &|pki| {
            pki.certificates[INSTANCE].extensions = pki.certificates[LEAF].extensions.clone();
        },
    );
    // A unique id, which X.509 allows between key and extensions, and this PKI never has.
    let mut pki = Pki::sound();
    pki.certificates[LEAF].unique_id = vec![0x81, 0x02, 0x00, 0x07];
    cases.add("unique-id", "", "chain-path", Document::under(&pki).bytes());
    let mut pki = Pki::sound();
    let usage = key_usage(false, DIGITAL_SIGNATURE);
    pki.certificates[LEAF].extensions = vec![basic_constraints(false, Some(0)), usage];
    cases.add(
        "leaf-path-length",
        "",
        "leaf-path-length",
        Document::under(&pki).bytes(),
    );
}

/// Chains of every length, and authorities that share a name: those leave a verifier several paths
/// to try. Every signature of the path as it stands is right.
fn names(cases: &mut Cases) {
    for intermediates in [0, 1, 6] {
        let document = Document::under(&Pki::tall(intermediates)).bytes();
        cases.add(
            "accepted-chains",
            &intermediates.to_string(),
            "appraised",
            document,
        );
    }
    let document = Document::under(&Pki::tall(7)).bytes();
    cases.add("extra-certificate", "seventh", "chain-path", document);

    let mut repeat = |what, pki: &Pki| {
        let document = Document::under(pki).bytes();
        cases.add("repeated-name", what, "chain-repeated-name", document);
    };
    let mut pki = Pki::tall(3);
    pki.certificates[2].subject = "root";
    pki.certificates[3].issuer = "root";
    repeat("root", &pki);
    let mut pki = Pki::tall(3);
    pki.certificates[3].subject = "first";
    pki.certificates[4].issuer = "first";
    repeat("first", &pki);
    let mut pki = Pki::tall(6);
    for certificate in &mut pki.certificates {
        certificate.issuer = "root";
        certificate.subject = "root";
    }
    repeat("all", &pki);
    // Here the path can do without one: the root's own key, under its own name, once more.
    let mut pki = Pki::sound();
    let mut chain = pki.issue();
    let again = &mut pki.certificates[ROOT];
    again.validity = ["250102000000Z", "491231235959Z"];
    again.extensions = vec![
        basic_constraints(true, Some(3)),
        key_usage(true, KEY_CERT_SIGN),
    ];
    chain.insert(1, pki.issue()[ROOT].clone());
    let document = Document::with_chain(&pki, &chain);
    cases.add(
        "repeated-name",
        "root-again",
        "chain-repeated-name",
        document.bytes(),
    );
}

fn roots(cases: &mut Cases) {
    let sound = Pki::sound();
    let (chain, other) = (sound.issue(), Pki::look_alike());
    let others = other.issue();
    let document = Document::under(&other).bytes();
    cases.add(
        "look-alike-root",
        "whole-chain",
        "root-not-pinned",
        document,
    );
    let mut put = |row, what: &str, expect, signer: &Pki, chain: &[Vec<u8>]| {
        cases.add(
            row,
            what,
            expect,
            Document::with_chain(signer, chain).bytes(),
        );
    };
    let patched = [&chain[..1], &others[1..]].concat();
    put(
        "look-alike-root",
        "pinned-in-front",
        "chain-signature",
        &other,
        &patched,
    );
    let mut appended = others.clone();
    appended.insert(4, chain[0].clone());
    put(
        "look-alike-root",
        "pinned-behind",
        "root-not-pinned",
        &other,
        &appended,
    );
    let alone = vec![others[LEAF].clone(), others[LEAF].clone()];
    put(
        "self-signed",
        "leaf-as-root",
        "root-not-pinned",
        &other,
        &alone,
    );
    let root_leaf = vec![chain[ROOT].clone(), chain[ROOT].clone()];
    put(
        "self-signed",
        "root-as-leaf",
        "leaf-is-authority",
        &sound,
        &root_leaf,
    );
    let mixed = [&chain[..LEAF], &others[LEAF..]].concat();
    put(
        "another-cabundle",
        "leaf-of-another",
        "chain-signature",
        &other,
        &mixed,
    );
    let mixed = [&chain[..INSTANCE], &others[INSTANCE..]].concat();
    put(
        "another-cabundle",
        "instance-of-another",
        "chain-signature",
        &other,
        &mixed,
    );
}

fn order(cases: &mut Cases) {
    let pki = Pki::sound();
    let mut change = |row, what: &str, expect, change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut chain = pki.issue();
        change(&mut chain);
        cases.add(
            row,
            what,
            expect,
            Document::with_chain(&pki, &chain).bytes(),
        );
    };
    change(
        "reversed-certificates",
        "intermediates",
        "chain-broken-link",
        &|chain| {
            chain[1..4].reverse();
        },
    );
    change(
        "reversed-certificates",
        "cabundle",
        "root-not-pinned",
        &|chain| {
            chain[..4].reverse();
        },
    );
    change("missing-certificate", "root", "root-not-pinned", &|chain| {
        chain.remove(0);
    });
    for (what, place) in [("regional", 1), ("zonal", 2), ("instance", 3)] {
        change("missing-certificate", what, "chain-broken-link", &|chain| {
            chain.remove(place);
        });
        change("extra-certificate", what, "chain-broken-link", &|chain| {
            chain.insert(place, chain[place].clone());
        });
    }
    change(
        "extra-certificate",
        "leaf-in-cabundle",
        "chain-broken-link",
        &|chain| {
            chain.insert(4, chain[4].clone());
        },
    );
}
