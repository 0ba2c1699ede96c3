{{/*
Names are the same in every release: a cluster has one developer portal, since definitions,
policies and roles are there once. `guard.yaml` refuses a second release.
*/}}
{{- define "devportal.controller" -}}
devportal-controller
{{- end }}

{{- define "devportal.server" -}}
devportal-server
{{- end }}

{{- define "devportal.uninstall" -}}
devportal-uninstall
{{- end }}

{{/* The role that is bound wherever the controller may handle Secrets. */}}
{{- define "devportal.secrets" -}}
devportal-controller-secrets
{{- end }}

{{/* What is the same for as long as a release lives: selectors cannot be changed later. */}}
{{- define "devportal.selector" -}}
app.kubernetes.io/name: devportal
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels of every object; Helm itself adds app.kubernetes.io/managed-by. */}}
{{- define "devportal.labels" -}}
{{ include "devportal.selector" . }}
app.kubernetes.io/part-of: kuadrant
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
{{- end }}

{{/* The label by which a namespace says that keys may be asked for in it. */}}
{{- define "devportal.consumersLabel" -}}
devportal.kuadrant.io/consumers
{{- end }}
