//! The DNS records that the province publishes for a system.

use super::DKIM_SELECTOR;
use crate::api::DnsRecord;

/// MX, SPF, DKIM and DMARC of a domain. `dkim_public` is the public key, DER in base64.
pub fn records(domain: &str, hostname: &str, dkim_public: Option<&str>) -> Vec<DnsRecord> {
    let record =
        |name: String, record_type: &str, value: String| DnsRecord { name, record_type: record_type.into(), value };
    let mut records = vec![
        record(domain.into(), "MX", format!("10 {hostname}.")),
        record(domain.into(), "TXT", "v=spf1 mx -all".into()),
    ];
    if let Some(key) = dkim_public {
        records.push(record(format!("{DKIM_SELECTOR}._domainkey.{domain}"), "TXT", format!("v=DKIM1; k=rsa; p={key}")));
    }
    records.push(record(
        format!("_dmarc.{domain}"),
        "TXT",
        format!("v=DMARC1; p=quarantine; rua=mailto:postmaster@{domain}"),
    ));
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mx_spf_dkim_and_dmarc_are_named() {
        let records = records("gialai.gov.vn", "mail.gialai.gov.vn", Some("KEY"));
        let text: Vec<String> = records.iter().map(|r| format!("{} {} {}", r.name, r.record_type, r.value)).collect();
        assert_eq!(text[0], "gialai.gov.vn MX 10 mail.gialai.gov.vn.");
        assert_eq!(text[2], "mail._domainkey.gialai.gov.vn TXT v=DKIM1; k=rsa; p=KEY");
        assert!(text[3].starts_with("_dmarc.gialai.gov.vn TXT v=DMARC1"));
    }
}
