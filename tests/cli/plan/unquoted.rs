//! Words without quotes that Flux applies as text.

use super::*;

#[test]
fn a_word_without_quotes_is_an_error_and_flux_applies_it_so_nobody_waits_for_it() {
    for word in ["Y", "n", "on", "No", "off", "yes"] {
        let agency = AGENCY.replace("issuer: UBND tỉnh Gia Lai", &format!("issuer: {word}"));
        assert_ne!(agency, AGENCY);
        let folder = Folder::new().with("agency.yaml", agency).with("m.yaml", person("nv-1", "stttt", "Lê An", ""));
        let planned = plan(&folder, &[]);
        planned.is("nv-1", "Issued", "anl.stttt");
        let item = planned.item("Agency", "stttt");
        assert_eq!((&item["outcome"], &item["address"]), (&"Issued".into(), &"stttt@gialai.gov.vn".into()), "{word}");
        let errors = item["errors"].as_array().unwrap();
        assert_eq!(
            (errors.len(), &errors[0]["code"], &item["warnings"]),
            (1, &"UnquotedWord".into(), &Value::Array(vec![]))
        );
        assert!(errors[0]["message"].as_str().unwrap().contains("quote it"), "{item:#}");
        assert_eq!((planned.1, folder.validate(&[]).1), (1, 1), "{word}");
    }
    // Nor does it get lost with somebody who waits, or with a kind that has no address.
    let odd = person("nv-1", "khac", "Lê An", "").replace("issuer: x", "issuer: Y");
    let planned = plan(&Folder::new().with("m.yaml", odd), &[]);
    planned.is("nv-1", "Waiting", "-");
    assert_eq!(planned.1, 1);
    let system = "apiVersion: mail.gialai.gov.vn/v1alpha1\nkind: MailSystem\nmetadata: {name: gialai, labels: {a: on}}\nspec:\n  \
                  domain: x.gov.vn\n  hostname: mail.x.gov.vn\n  dovecot: {storage: {size: 10Gi}}\n";
    let folder = Folder::new().with("s.yaml", system).with("m.yaml", person("nv-1", "stttt", "Lê An", ""));
    let planned = plan(&folder, &[]);
    assert_eq!(planned.item("Mailbox", "nv-1")["address"], "anl.stttt@x.gov.vn");
    assert_eq!((&planned.0["findings"][0]["code"], planned.1), (&"UnquotedWord".into(), 1), "{:#}", planned.0);
    // These are booleans for everybody.
    let folder =
        Folder::new().with("m.yaml", person("nv-1", "stttt", "Lê An", "").replace("issuer: x", "issuer: true"));
    plan(&folder, &[]).is("nv-1", "Rejected", "-");
}

#[test]
fn a_word_that_a_rule_of_the_kind_refuses_is_rejected_whoever_applies_it() {
    for name in ["no", "Y", "on", "N"] {
        let planned = plan(&Folder::new().with("m.yaml", person("nv-1", "stttt", name, "")), &[]);
        planned.is("nv-1", "Rejected", "-");
        let errors = planned.item("Mailbox", "nv-1")["errors"].to_string();
        assert!(errors.contains("RuleBroken") && errors.contains("UnquotedWord"), "{errors}");
    }
    // Another field of such an object is well as it is.
    let odd = person("nv-2", "stttt", "Lê Bình", "").replace("issuer: x", "issuer: Y");
    let planned = plan(&Folder::new().with("m.yaml", odd + &person("nv-1", "stttt", "no", "")), &[]);
    planned.is("nv-2", "Issued", "binhl.stttt");
    planned.is("nv-1", "Rejected", "-");
}
