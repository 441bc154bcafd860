use super::{PolicyError, PolicyFile};
use crate::pcr::{Pcr, PcrIndex};
use crate::trust::Trust;

const PEM: &str = include_str!("../../testdata/aws-nitro-root-g1.pem");

fn sound() -> String {
    let value = |digit: &str| digit.repeat(96);
    format!(
        "root = \"aws-nitro\"\nmax_age_seconds = 300\nclock_skew_seconds = 10\n\
         allow_debug = false\n[[measurement]]\nlabel = \"sealsum 0.1.0\"\npcr0 = \"{}\"\n\
         pcr1 = \"{}\"\npcr2 = \"{}\"\n",
        value("1"),
        value("2"),
        value("3")
    )
}

fn refused(text: &str, pem: Option<&str>) -> PolicyError {
    PolicyFile::parse(text)
        .and_then(|file| file.into_policy(pem))
        .unwrap_err()
}

#[test]
fn a_policy_reads_as_it_was_written() {
    let text = sound() + &format!("pcr8 = \"{}\"\n", "ab".repeat(48));
    let file = PolicyFile::parse(&text).unwrap();
    assert_eq!(PolicyFile::parse(&file.to_toml().unwrap()).unwrap(), file);
    let policy = file.into_policy(None).unwrap();
    assert_eq!(policy.trust(), Trust::AwsNitro);
    assert_eq!(policy.max_age().as_secs(), 300);
    assert_eq!(policy.clock_skew().as_secs(), 10);
    let [reference] = policy.measurements() else {
        panic!("one measurement")
    };
    assert_eq!(reference.label(), "sealsum 0.1.0");
    let last = reference.expected().last().unwrap();
    assert_eq!(last, (PcrIndex::SIGNER, &Pcr::new([0xab; 48])));
}

#[test]
fn a_policy_that_accepts_no_image_is_no_policy() {
    let text = sound();
    let (head, _) = text.split_once("[[measurement]]").unwrap();
    assert_eq!(refused(head, None), PolicyError::NoMeasurement);
    for key in ["label", "pcr0", "pcr1", "pcr2"] {
        let without: String = text
            .lines()
            .filter(|line| !line.starts_with(key))
            .map(|line| format!("{line}\n"))
            .collect();
        assert!(matches!(refused(&without, None), PolicyError::Syntax(_)));
    }
}

#[test]
fn an_expected_value_of_zero_is_refused_in_every_register() {
    for (index, line) in [(0, "1"), (1, "2"), (2, "3")] {
        let text = sound().replace(&line.repeat(96), &"0".repeat(96));
        let PolicyError::ZeroPcr { index: found, .. } = refused(&text, None) else {
            panic!("a zero value was taken")
        };
        assert_eq!(Some(found), PcrIndex::new(index));
    }
    for register in ["pcr3", "pcr4", "pcr8"] {
        let text = sound() + &format!("{register} = \"{}\"\n", "0".repeat(96));
        assert!(matches!(refused(&text, None), PolicyError::ZeroPcr { .. }));
    }
}

#[test]
fn debug_mode_and_other_roots_must_be_called_a_mock() {
    let debug = sound().replace("allow_debug = false", "allow_debug = true");
    assert_eq!(refused(&debug, None), PolicyError::DebugWithoutMock);
    let no_mock = format!("mock = true\n{}", sound());
    assert_eq!(refused(&no_mock, None), PolicyError::MockUnderAws);
    let called_mock = format!("mock = true\n{debug}");
    let policy = PolicyFile::parse(&called_mock)
        .unwrap()
        .into_policy(None)
        .unwrap();
    assert_eq!(policy.trust(), Trust::Mock);

    let named = sound().replace("aws-nitro", "root.pem");
    assert_eq!(refused(&named, None), PolicyError::RootNotGiven);
    assert_eq!(refused(&sound(), Some(PEM)), PolicyError::UnexpectedRoot);
    // AWS's own root from a file is still AWS's.
    let policy = PolicyFile::parse(&named)
        .unwrap()
        .into_policy(Some(PEM))
        .unwrap();
    assert!(policy.root().is_aws_nitro());
    assert_eq!(policy.trust(), Trust::AwsNitro);
}

#[test]
fn a_root_file_holds_one_certificate() {
    let named = sound().replace("aws-nitro", "root.pem");
    for pem in [
        String::new(),
        "root".to_owned(),
        PEM.repeat(2),
        PEM.replace("CERTIFICATE", "PRIVATE KEY"),
    ] {
        assert_eq!(refused(&named, Some(&pem)), PolicyError::RootPem);
    }
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(
        refused(&named, Some(nonsense)),
        PolicyError::Root(_)
    ));
}

#[test]
fn unknown_keys_bad_values_and_double_labels_are_refused() {
    let unknown = sound() + "pcr9 = \"00\"\n";
    assert!(matches!(refused(&unknown, None), PolicyError::Syntax(_)));
    let unknown = format!("max_age = 3\n{}", sound());
    assert!(matches!(refused(&unknown, None), PolicyError::Syntax(_)));
    let short = sound().replace(&"1".repeat(96), &"1".repeat(94));
    assert!(matches!(
        refused(&short, None),
        PolicyError::BadPcr { digits: 94, .. }
    ));
    let eternal = sound().replace("max_age_seconds = 300", "max_age_seconds = 0");
    assert_eq!(refused(&eternal, None), PolicyError::ZeroMaxAge);
    let text = sound();
    let (_, table) = text.split_once("[[measurement]]").unwrap();
    let twice = format!("{text}[[measurement]]{table}");
    assert!(matches!(
        refused(&twice, None),
        PolicyError::DuplicateLabel { .. }
    ));
    let unnamed = sound().replace("sealsum 0.1.0", "");
    assert_eq!(refused(&unnamed, None), PolicyError::EmptyLabel);
}

fn with_publisher(text: &str) -> String {
    let key = crate::PublisherSigner::from_secret(&[7; 32]).key();
    let entry = format!("[[publisher]]\nlabel = \"releases\"\nkey = \"{key}\"\n{text}");
    sound() + &entry
}

#[test]
fn a_policy_may_name_publishers_beside_or_in_place_of_images() {
    let text = with_publisher(&format!(
        "min_version = \"0.2.0\"\nrevoked = [\"{}\"]\n",
        "ab".repeat(48)
    ));
    let file = PolicyFile::parse(&text).unwrap();
    assert_eq!(PolicyFile::parse(&file.to_toml().unwrap()).unwrap(), file);
    let mut alone = file.clone();
    alone.measurements.clear();
    assert_eq!(PolicyFile::parse(&alone.to_toml().unwrap()).unwrap(), alone);
    assert!(alone.into_policy(None).unwrap().measurements().is_empty());
    let policy = file.into_policy(None).unwrap();
    let [publisher] = policy.publishers() else {
        panic!("one publisher")
    };
    assert_eq!(publisher.label(), "releases");
    assert_eq!(publisher.min_version().unwrap().to_string(), "0.2.0");
    assert_eq!(publisher.revoked(), [Pcr::new([0xab; 48])]);
}

#[test]
fn a_publisher_that_can_not_be_meant_is_a_mistake_of_the_policy() {
    let key = crate::PublisherSigner::from_secret(&[7; 32])
        .key()
        .to_string();
    let twice = with_publisher(&format!(
        "[[publisher]]\nlabel = \"other\"\nkey = \"{key}\"\n"
    ));
    assert!(matches!(
        refused(&twice, None),
        PolicyError::DuplicatePublisher { .. }
    ));
    // The identity: a signature under it holds for anything.
    let weak = format!("01{}", "00".repeat(31));
    for bad in ["", "ab", weak.as_str(), &"0".repeat(65)] {
        let text = with_publisher("").replacen(&key, bad, 1);
        assert!(
            matches!(refused(&text, None), PolicyError::PublisherKey { .. }),
            "{bad}"
        );
    }
    assert!(matches!(
        refused(&with_publisher("min_version = \"1\"\n"), None),
        PolicyError::MinVersion { .. }
    ));
    assert!(matches!(
        refused(&with_publisher("revoked = [\"abcd\"]\n"), None),
        PolicyError::Revoked { digits: 4, .. }
    ));
    assert!(matches!(
        refused(&with_publisher("not_before = 1\n"), None),
        PolicyError::Syntax(_)
    ));
    let unnamed = with_publisher("").replacen("label = \"releases\"\n", "", 1);
    let unnamed = PolicyFile::parse(&unnamed).unwrap().into_policy(None);
    let label = format!("publisher {:.8}", key);
    assert_eq!(unnamed.unwrap().publishers()[0].label(), label);
    let nameless = with_publisher("").replacen("releases", "", 1);
    assert_eq!(refused(&nameless, None), PolicyError::EmptyLabel);
}

#[test]
fn publishers_differ_in_both_label_and_key() {
    let entry = |label: &str, secret: u8| {
        let key = crate::PublisherSigner::from_secret(&[secret; 32]).key();
        format!("[[publisher]]\nlabel = \"{label}\"\nkey = \"{key}\"\n")
    };
    let first = sound() + &entry("releases", 7);
    let policy = PolicyFile::parse(&(first.clone() + &entry("nightlies", 8))).unwrap();
    assert_eq!(policy.into_policy(None).unwrap().publishers().len(), 2);
    for second in [entry("releases", 8), entry("nightlies", 7)] {
        let error = refused(&(first.clone() + &second), None);
        assert!(matches!(error, PolicyError::DuplicatePublisher { .. }));
    }
}
