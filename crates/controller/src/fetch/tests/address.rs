//! Where may a fetch go, exactly?

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use url::Url;

use crate::fetch::address::{INTERNAL_V4, Reach, Refusal, SPECIAL_V4};

fn check(reach: &Reach, url: &str) -> Result<(), Refusal> {
    reach.check(&Url::parse(url).unwrap())
}

#[test]
fn addresses_that_are_not_public_are_refused_in_every_spelling() {
    let refused = [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://017700000001/",
        "http://0x7f000001/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://%31%32%37.0.0.1/",
        "http://①②⑦.⓪.⓪.①/",
        "http://127.0.0.1./",
        "http://0/",
        "http://0.0.0.0/",
        "http://10.0.0.1/",
        "http://100.64.0.1/",
        "http://100.100.100.200/",
        "http://168.63.129.16/",
        "http://169.254.169.254/latest/meta-data/",
        "http://0xa9fea9fe/",
        "http://172.16.0.1/",
        "http://172.31.255.255/",
        "http://192.0.0.192/",
        "http://192.0.2.1/",
        "http://192.88.99.1/",
        "http://192.168.1.1/",
        "http://198.18.0.1/",
        "http://198.51.100.7/",
        "http://203.0.113.9/",
        "http://224.0.0.251/",
        "http://240.0.0.1/",
        "http://255.255.255.255/",
        "http://[::]/",
        "http://[::1]/",
        "http://[::127.0.0.1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://[::ffff:0:127.0.0.1]/",
        "http://[64:ff9b::127.0.0.1]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[64:ff9b:1::8.8.8.8]/",
        "http://[100::1]/",
        "http://[2001::1]/",
        "http://[2001:2::1]/",
        "http://[2001:db8::1]/",
        "http://[2002:7f00:1::]/",
        "http://[2002:a9fe:a9fe::1]/",
        "http://[3fff::1]/",
        "http://[5f00::1]/",
        "http://[fc00::1]/",
        "http://[fd00:ec2::254]/",
        "http://[fe80::1]/",
        "http://[fec0::1]/",
        "http://[ff02::1]/",
    ];
    for url in refused {
        assert_eq!(
            check(&Reach::default(), url),
            Err(Refusal::Address),
            "{url}"
        );
    }
}

#[test]
fn names_that_are_not_public_are_refused() {
    let refused = [
        "http://localhost/",
        "http://LOCALHOST./",
        "http://a.localhost/",
        "http://kubernetes/",
        "http://kubernetes.default.svc/",
        "http://kubernetes.default.svc./",
        "http://kubernetes.default.svc.cluster.local/",
        "http://KUBERNETES.default.SVC.cluster.local./",
        "http://anything.cluster.local/",
        "http://printer.local/",
        "http://metadata.google.internal/",
    ];
    for url in refused {
        assert_eq!(
            check(&Reach::default(), url),
            Err(Refusal::Address),
            "{url}"
        );
    }
}

#[test]
fn the_public_internet_is_open() {
    let open = [
        "http://example.com/",
        "https://svc.example.com:8443/openapi.json?version=2",
        "https://8.8.8.8/",
        "https://172.32.0.1/",
        "https://100.128.0.1/",
        "https://[2606:4700:4700::1111]/",
        "https://[64:ff9b::8.8.8.8]/",
        "https://[::ffff:8.8.8.8]/",
    ];
    for url in open {
        assert_eq!(check(&Reach::default(), url), Ok(()), "{url}");
    }
}

#[test]
fn other_schemes_and_user_names_are_refused() {
    for url in [
        "ftp://example.com/",
        "file:///etc/passwd",
        "data:,x",
        "gopher://example.com/",
    ] {
        assert_eq!(
            check(&Reach::default(), url),
            Err(Refusal::NotHttp),
            "{url}"
        );
    }
    for url in [
        "https://me@example.com/",
        "https://me:secret@example.com/",
        "https://:x@a.com/",
    ] {
        assert_eq!(
            check(&Reach::default(), url),
            Err(Refusal::UserInfo),
            "{url}"
        );
    }
}

#[test]
fn a_listed_network_opens_its_addresses_and_no_names() {
    let reach = Reach::parse("127.0.0.1/32, fd00:1::/32 ,10.9.8.7").unwrap();
    for url in [
        "http://127.0.0.1/",
        "http://[::ffff:127.0.0.1]/",
        "http://[fd00:1::5]/",
        "http://10.9.8.7/",
    ] {
        assert_eq!(check(&reach, url), Ok(()), "{url}");
    }
    for url in [
        "http://127.0.0.2/",
        "http://[::127.0.0.1]/",
        "http://[64:ff9b::127.0.0.1]/",
        "http://[2002:7f00:1::]/",
        "http://[fd00:2::5]/",
        "http://10.9.8.6/",
        "http://localhost/",
    ] {
        assert_eq!(check(&reach, url), Err(Refusal::Address), "{url}");
    }
    assert!(reach.admits("docs.example.com", "127.0.0.1".parse().unwrap()));
    assert!(!reach.admits("docs.example.com", "127.0.0.2".parse().unwrap()));
}

#[test]
fn a_listed_host_may_be_internal_and_never_a_metadata_service() {
    let reach = Reach::parse("Docs.Tools.svc,localhost").unwrap();
    assert_eq!(check(&reach, "http://docs.tools.svc/"), Ok(()));
    assert_eq!(check(&reach, "http://DOCS.tools.svc./"), Ok(()));
    assert_eq!(check(&reach, "http://localhost/"), Ok(()));
    assert_eq!(
        check(&reach, "http://other.tools.svc/"),
        Err(Refusal::Address)
    );
    assert_eq!(check(&reach, "http://10.0.0.1/"), Err(Refusal::Address));
    assert!(reach.admits("docs.tools.svc", "10.0.0.1".parse().unwrap()));
    assert!(reach.admits("localhost", "::1".parse().unwrap()));
    assert!(!reach.admits("docs.tools.svc", "169.254.169.254".parse().unwrap()));
    assert!(!reach.admits("other.example.com", "10.0.0.1".parse().unwrap()));
}

#[test]
fn a_list_that_means_nothing_is_an_error_that_names_the_entry() {
    for entry in [
        "10.0.0.0/99",
        "*.example.com",
        "example.com:80",
        "http://example.com",
        "a b",
    ] {
        let error = Reach::parse(&format!("127.0.0.1,{entry}"))
            .unwrap_err()
            .to_string();
        assert!(error.contains(entry), "{error}");
    }
    assert_eq!(Reach::parse(" , ").unwrap(), Reach::default());
}

/// Any address of any network that is not public.
fn not_public() -> impl Strategy<Value = Ipv4Addr> {
    let nets: Vec<_> = INTERNAL_V4.into_iter().chain(SPECIAL_V4).collect();
    (proptest::sample::select(nets), any::<u32>()).prop_map(|(net, bits)| {
        let host = bits & u32::from(net.hostmask());
        Ipv4Addr::from(u32::from(net.network()) | host)
    })
}

fn embed(prefix: [u16; 6], ip: Ipv4Addr) -> Ipv6Addr {
    let prefix = prefix
        .iter()
        .fold(0, |bits, part| bits << 16 | u128::from(*part));
    Ipv6Addr::from(prefix << 32 | u128::from(u32::from(ip)))
}

fn embed_6to4(ip: Ipv4Addr, low: u64) -> Ipv6Addr {
    Ipv6Addr::from(0x2002 << 112 | u128::from(u32::from(ip)) << 80 | u128::from(low))
}

/// What the standard library knows about addresses, as a second opinion.
fn std_calls_it_special(ip: Ipv4Addr) -> bool {
    ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_broadcast()
        || ip.is_documentation()
        || ip.is_multicast()
        || ip.is_unspecified()
}

proptest! {
    #[test]
    fn what_is_refused_is_refused_in_every_ipv6_form(ip in not_public(), low in any::<u64>()) {
        let forms = [
            IpAddr::V4(ip),
            embed([0, 0, 0, 0, 0, 0xffff], ip).into(),
            embed([0, 0, 0, 0, 0xffff, 0], ip).into(),
            embed([0; 6], ip).into(),
            embed([0x64, 0xff9b, 0, 0, 0, 0], ip).into(),
            embed([0x64, 0xff9b, 1, 0, 0, 0], ip).into(),
            embed_6to4(ip, low).into(),
        ];
        for form in forms {
            prop_assert!(!Reach::default().admits("example.com", form), "{form}");
            let host = match form {
                IpAddr::V4(ip) => format!("http://{ip}/"),
                IpAddr::V6(ip) => format!("http://[{ip}]/"),
            };
            prop_assert_eq!(check(&Reach::default(), &host), Err(Refusal::Address));
        }
    }

    #[test]
    fn what_the_standard_library_calls_special_is_refused(bits in any::<u32>()) {
        let ip = Ipv4Addr::from(bits);
        if std_calls_it_special(ip) {
            prop_assert!(!Reach::default().admits("example.com", ip.into()), "{ip}");
        }
    }

    #[test]
    fn the_forms_of_an_address_are_judged_alike(bits in any::<u32>()) {
        let ip = Ipv4Addr::from(bits);
        let admitted = Reach::default().admits("example.com", ip.into());
        for prefix in [[0, 0, 0, 0, 0, 0xffff], [0x64, 0xff9b, 0, 0, 0, 0]] {
            let form = embed(prefix, ip);
            prop_assert_eq!(Reach::default().admits("example.com", form.into()), admitted);
        }
    }
}
