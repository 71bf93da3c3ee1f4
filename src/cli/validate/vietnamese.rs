//! Vietnamese for the messages of the CEL rules, which the API server speaks in English only.

/// English as it stands in the kinds, and what a clerk reads.
const MESSAGES: &[(&str, &str)] = &[
    ("R5.2: a basis names", "căn cứ phải ghi đủ số văn bản, ngày (YYYY-MM-DD) và cơ quan ban hành, không để trống."),
    (
        "D-07: a disambiguator is",
        "D-07: thành phần phân biệt gồm 1 đến 8 chữ thường a-z không dấu hoặc chữ số, ví dụ 2 hoặc 1985",
    ),
    (
        "D-07: this reads as a full date",
        "D-07: giống ngày sinh đầy đủ, trong khi địa chỉ thư là công khai; vui lòng chỉ ghi năm sinh, ví dụ 1985.",
    ),
    (
        "R3.4: this is a word that YAML",
        "R3.4: đây là từ mà YAML hiểu là đúng, sai hoặc rỗng, không phải tên; vui lòng ghi đầy đủ họ tên.",
    ),
    (
        "D-21: a local part is",
        "phần trước dấu @ chỉ gồm chữ thường a-z, chữ số 0-9, dấu chấm và dấu gạch nối ở giữa, ví dụ quynhhtn.stttt.",
    ),
    (
        "a reference is the metadata.name",
        "tham chiếu là metadata.name của một đối tượng: chữ thường a-z không dấu, chữ số, dấu gạch nối và dấu chấm, ví dụ stttt.",
    ),
    ("R4.1: initials are", "tên viết tắt chỉ gồm chữ thường a-z không dấu và chữ số, ví dụ sngv."),
    ("R4.2.a: a suffix is", "phần sau dấu chấm chỉ gồm chữ thường a-z và chữ số, ví dụ stttt."),
    (
        "R4.1.c, R4.1.d: a Commune",
        "cấp xã hoặc đơn vị trực thuộc phải có spec.parentRef: {name: <Agency của huyện hoặc sở>}.",
    ),
    (
        "R4.1.a: an agency of the province",
        "cơ quan cấp tỉnh không có cấp trên; vui lòng bỏ spec.parentRef hoặc ghi level: Unit.",
    ),
    ("R7.3: storage is", "storage là dung lượng không có phần lẻ, ví dụ 5Gi hoặc 500Mi."),
    ("R7.3.b: maxAttachment is", "maxAttachment là dung lượng không có phần lẻ, ví dụ 25M."),
    (
        "D-17: spec.rearmBelowPercent",
        "D-17: spec.rearmBelowPercent phải nhỏ hơn mọi mức trong spec.warnAtPercent, ví dụ warnAtPercent: [80, 90, 95] và rearmBelowPercent: 75.",
    ),
    (
        "6.2.a: an absence ends",
        "thời gian vắng mặt phải kết thúc vào hoặc sau ngày bắt đầu: vui lòng ghi spec.absence.from trước spec.absence.to.",
    ),
    (
        "7.2: logs and journal are kept",
        "nhật ký phải được lưu tối thiểu 6 tháng: vui lòng ghi spec.regulation.retention.logMonths từ 6 trở lên.",
    ),
    (
        "R5.4.b: spec.endsOn is the day on which access ends",
        "spec.endsOn là ngày kết thúc quyền truy cập: vui lòng ghi một ngày sau spec.startsOn.",
    ),
    (
        "R5.2: NUMBER and ISSUER are places",
        "NUMBER và ISSUER là chỗ cần điền: vui lòng ghi số, ký hiệu của văn bản và cơ quan ban hành.",
    ),
    (
        "R5.4.c: nobody is their own successor",
        "không thể ghi chính hộp thư này làm người kế nhiệm: vui lòng ghi Mailbox của người khác vào spec.successorRef, hoặc bỏ đi.",
    ),
    ("the name of a Mailbox", "tên đối tượng Mailbox tối đa 63 ký tự: vui lòng ghi mã cán bộ, ví dụ nv-000123."),
    (
        "names that begin with agency-",
        "tên bắt đầu bằng agency- dành riêng cho hộp thư của cơ quan: vui lòng ghi mã cán bộ, ví dụ nv-000123.",
    ),
    ("the name of an Agency", "tên đối tượng Agency tối đa 56 ký tự, vì hộp thư của cơ quan có tên agency-<tên>."),
    ("the name of a MailSystem", "tên đối tượng MailSystem tối đa 40 ký tự và không có dấu chấm."),
    ("spec.dovecot.storage.size", "spec.dovecot.storage.size là dung lượng, ví dụ 200Gi."),
    (
        "spec.dovecot.storage cannot change",
        "không đổi được spec.dovecot.storage ở đây: vui lòng mở rộng PVC data-<tên>-0.",
    ),
    ("spec.dovecot.replicas", "chỉ một Dovecot được ghi vào kho thư; vui lòng ghi replicas: 1."),
    ("spec.defaultQuota.maxAttachment", "spec.defaultQuota.maxAttachment là dung lượng không có phần lẻ, ví dụ 20M."),
    ("spec.defaultQuota.storage", "spec.defaultQuota.storage là dung lượng không có phần lẻ, ví dụ 2Gi."),
    ("spec.maxAttachment is", "spec.maxAttachment là dung lượng không có phần lẻ, ví dụ 50M."),
    ("spec.domain is", "spec.domain là tên miền viết chữ thường, ví dụ gialai.gov.vn."),
    (
        "spec.domain cannot change",
        "không đổi được spec.domain vì mọi địa chỉ đã cấp đều mang tên miền này; vui lòng tạo MailSystem khác ở namespace khác.",
    ),
    ("spec.hostname is", "spec.hostname là tên máy chủ viết chữ thường, ví dụ mail.gialai.gov.vn."),
    (
        "spec.portal.replicas is",
        "spec.portal.replicas từ 1 đến 5; nếu không dùng trang đổi mật khẩu, vui lòng ghi spec.portal.enabled: false.",
    ),
    (
        "spec.portal.url is",
        "spec.portal.url là địa chỉ https của trang đổi mật khẩu mà mọi người mở, ví dụ https://matkhau.gialai.gov.vn/.",
    ),
    ("spec.portal.trustedProxies lists", "spec.portal.trustedProxies là danh sách mạng, ví dụ 10.0.0.0/8."),
    ("spec.office.phone is", "spec.office.phone là số điện thoại, chỉ gồm chữ số, dấu cách và các ký tự + ( ) . -"),
    ("spec.office.email is", "spec.office.email là địa chỉ thư điện tử, ví dụ hotro@gialai.gov.vn."),
    ("spec.relayHost is", "spec.relayHost là máy chủ và cổng, ví dụ [relay.gialai.gov.vn]:587."),
    (
        "spec.tls.secretRef:",
        "spec.tls.secretRef: Secret <tên>-tls là bản sao do hệ thống giữ; vui lòng đặt tên khác cho Secret chứng thư.",
    ),
    ("spec.tls:", "spec.tls: chỉ ghi secretRef hoặc certManager, không ghi cả hai."),
];

/// What fields are that must be there.
const FIELDS: &[(&str, &str)] = &[
    ("basis", "văn bản căn cứ: số, ngày, cơ quan ban hành"),
    ("number", "số, ký hiệu văn bản"),
    ("date", "ngày của văn bản, dạng YYYY-MM-DD"),
    ("issuer", "cơ quan ban hành"),
    ("agencyRef", "cơ quan của hộp thư"),
    ("fullName", "họ và tên đầy đủ, có dấu"),
    ("family", "họ"),
    ("given", "tên"),
    ("reasons", "lý do khóa"),
    ("receivedAt", "thời điểm nhận văn bản, ví dụ 2026-06-15T09:00:00+07:00"),
    ("from", "ngày đầu"),
    ("to", "ngày cuối"),
    ("held", "mã ở status.held.token"),
    ("systemRef", "hệ thống thư (MailSystem)"),
    ("level", "cấp: Province, District, Commune hoặc Unit"),
    ("domain", "tên miền, ví dụ gialai.gov.vn"),
    ("hostname", "tên máy chủ thư"),
    ("storage", "dung lượng, ví dụ 5Gi"),
    ("maxAttachment", "tệp đính kèm lớn nhất, ví dụ 25M"),
    ("metadata", "metadata.name: tên đối tượng"),
    ("spec", "nội dung của đối tượng"),
];

/// What a field is, in brackets; nothing for one that says it by its name.
pub fn field(name: &str) -> String {
    FIELDS.iter().find(|(field, _)| *field == name).map(|(_, what)| format!(" ({what})")).unwrap_or_default()
}

/// The Vietnamese for a message; a rule that nobody has translated yet keeps its English behind a Vietnamese word.
pub fn of(message: &str) -> String {
    let known = MESSAGES.iter().find(|(english, _)| message.starts_with(english));
    known.map_or_else(|| format!("không đúng quy định: {message}"), |(_, vi)| (*vi).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value as Json;

    fn messages(schema: &Json, found: &mut Vec<String>) {
        match schema {
            Json::Object(map) => {
                let rules = map.get("x-kubernetes-validations").and_then(Json::as_array);
                for rule in rules.into_iter().flatten() {
                    found.extend(rule.get("message").and_then(Json::as_str).map(String::from));
                }
                map.values().for_each(|value| messages(value, found));
            }
            Json::Array(items) => items.iter().for_each(|item| messages(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_rule_of_a_kind_speaks_vietnamese() {
        let mut found = Vec::new();
        crate::cli::kinds::all().iter().for_each(|kind| messages(&kind.schema, &mut found));
        assert!(found.len() > 20, "{found:?}");
        let missing: Vec<_> = found.iter().filter(|m| of(m).contains(m.as_str())).collect();
        assert!(missing.is_empty(), "add Vietnamese to MESSAGES for {missing:#?}");
    }
}
