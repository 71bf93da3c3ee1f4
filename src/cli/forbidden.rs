//! What the API server does not let somebody do: which right is missing, who gives it, and how one looks.

use super::output::Said;
use crate::api::GROUP;

/// What a Role of the chart gives: which `people` of its values have it, from the fewest rights on.
const LOOKS: &[&str] = &["agencies", "auditors", "department", "administrators"];

/// A right that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Missing<'m> {
    user: &'m str,
    verb: &'m str,
    resource: &'m str,
    group: &'m str,
    /// Empty: in all of them.
    namespace: &'m str,
}

/// In words; nothing where the API server says something else.
pub fn told(error: &kube::Error) -> Option<Said> {
    match error {
        kube::Error::Api(status) if status.code == 403 => of_message(&status.message),
        _ => None,
    }
}

/// The same of the sentence of the API server, which kubectl prints.
pub fn of_message(message: &str) -> Option<Said> {
    parse(message).map(|missing| missing.said())
}

/// The same of who reads the journal: kubectl asks for the pod before it executes something in it, and whoever is given the one right
/// would miss the other one next.
pub fn of_exec(message: &str) -> Option<Said> {
    let missing = parse(message)?;
    if (missing.verb, missing.group, missing.resource) != ("get", "", "pods") {
        return Some(missing.said());
    }
    let exec = Missing { verb: "create", resource: "pods/exec", ..missing }.said();
    Some(Said::new(
        format!(
            "the journal is read by exec in the mail pod, and the pod may not be asked for either (get pods): {}",
            exec.message
        ),
        format!("nhật ký được đọc bằng exec trong pod thư, và cũng không được đọc pod (get pods): {}", exec.message_vi),
    ))
}

/// `… User "x" cannot list resource "mailboxes" in API group "mail.gialai.gov.vn" in the namespace "thu-cong-vu"`.
fn parse(message: &str) -> Option<Missing<'_>> {
    let (before, after) = message.split_once("\" cannot ")?;
    let user = before.rsplit_once("User \"")?.1;
    let (verb, after) = after.split_once(" resource \"")?;
    let (resource, after) = after.split_once("\" in API group \"")?;
    let (group, after) = after.split_once('"')?;
    let namespace = after.strip_prefix(" in the namespace \"").and_then(|rest| rest.split_once('"'));
    Some(Missing { user, verb, resource, group, namespace: namespace.map(|(name, _)| name).unwrap_or_default() })
}

impl Missing<'_> {
    /// `people` of the chart who have it (templates/people.yaml); nobody where none has.
    fn people(&self) -> &'static [&'static str] {
        let looks = ["get", "list", "watch"].contains(&self.verb);
        match (self.group, self.resource) {
            (_, _) if self.namespace.is_empty() => &[],
            (GROUP, "mailboxactivities") | ("", "pods" | "pods/log") if looks => &LOOKS[1..],
            (GROUP, "mailsystems") if !looks => &LOOKS[3..],
            (GROUP, "agencies" | "mailboxes" | "quotapolicies" | "workcalendars") if !looks => &LOOKS[2..],
            (GROUP, "mailboxactivities" | "addressclaims") => {
                if looks {
                    LOOKS
                } else {
                    &[]
                }
            }
            (GROUP, _) | ("" | "events.k8s.io", "events") if looks => LOOKS,
            _ => &[],
        }
    }

    fn said(&self) -> Said {
        let Self { user, verb, namespace, .. } = self;
        let resource = match (self.group, self.resource.split_once('/')) {
            ("", _) => self.resource.to_string(),
            (group, Some((resource, part))) => format!("{resource}.{group}/{part}"),
            (group, None) => format!("{}.{group}", self.resource),
        };
        let (place, place_vi, flag) = if namespace.is_empty() {
            ("all namespaces".into(), "mọi namespace".into(), "-A".to_string())
        } else {
            (format!("namespace '{namespace}'"), format!("namespace '{namespace}'"), format!("-n {namespace}"))
        };
        let people: Vec<String> = self.people().iter().map(|role| format!("people.{role}")).collect();
        let (way, way_vi) = if people.is_empty() {
            (
                "none of `people` in the values of the chart gives it: ask the administrators of the cluster"
                    .to_string(),
                "không nhóm `people` nào trong values của chart có quyền này: vui lòng liên hệ quản trị cụm"
                    .to_string(),
            )
        } else {
            let (or, or_vi) = (people.join(" or "), people.join(" hoặc "));
            (
                format!("whoever installed the chart gives it by {or} in its values (RBAC, R5.1)"),
                format!("người cài chart cấp quyền này bằng {or_vi} trong values (RBAC, R5.1)"),
            )
        };
        let check = format!("kubectl auth can-i {verb} {resource} {flag}");
        Said::new(
            format!("'{user}' has no right to {verb} {resource} in {place}; {way}. Look with: {check}"),
            format!("'{user}' không có quyền {verb} {resource} trong {place_vi}; {way_vi}. Kiểm tra bằng: {check}"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(verb: &str, resource: &str, group: &str, place: &str) -> Said {
        let text = format!(
            "{resource}.{group} \"x\" is forbidden: User \"oidc:lan\" cannot {verb} resource \"{resource}\" in API group \"{group}\" {place}"
        );
        of_message(&text).unwrap()
    }

    #[test]
    fn r5_1_the_right_that_is_missing_is_named_with_who_gives_it_and_how_one_looks() {
        let here = "in the namespace \"thu-cong-vu\": RBAC: not found";
        let list = said("list", "mailboxes", GROUP, here);
        let expected = "'oidc:lan' has no right to list mailboxes.mail.gialai.gov.vn in namespace 'thu-cong-vu'; whoever installed the chart \
            gives it by people.agencies or people.auditors or people.department or people.administrators in its values (RBAC, R5.1). \
            Look with: kubectl auth can-i list mailboxes.mail.gialai.gov.vn -n thu-cong-vu";
        assert_eq!(list.message, expected);
        assert!(
            list.message_vi.contains("không có quyền list mailboxes.mail.gialai.gov.vn trong namespace 'thu-cong-vu'")
        );
        for (verb, resource, group, people) in [
            ("patch", "mailsystems", GROUP, "by people.administrators in"),
            ("patch", "mailboxes", GROUP, "by people.department or people.administrators in"),
            ("list", "mailboxactivities", GROUP, "by people.auditors or"),
            ("get", "secrets", "", "none of `people`"),
            ("create", "pods/exec", "", "none of `people`"),
            ("update", "addressclaims", GROUP, "none of `people`"),
        ] {
            let said = said(verb, resource, group, here);
            assert!(said.message.contains(people), "{said}");
        }
        let everywhere = said("list", "mailsystems", GROUP, "at the cluster scope");
        assert!(everywhere.message.contains("none of `people`") && everywhere.message.ends_with("-A"), "{everywhere}");
        assert_eq!(of_message("pods \"x\" is forbidden: exceeded quota"), None);
    }
}
