{{- define "mail-operator.labels" -}}
app.kubernetes.io/name: mail-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "mail-operator.selector" -}}
app.kubernetes.io/name: mail-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "mail-operator.name" -}}
{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "mail-operator.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "mail-operator.namespaces" -}}
{{- $namespaces := .Values.namespaces | default (list .Release.Namespace) -}}
{{ join "," $namespaces }}
{{- end }}
