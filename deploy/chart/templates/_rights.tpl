{{/* The rules of files/rights.yaml without the reasons, which are for people. */}}
{{- define "devportal.rules" -}}
{{- $rules := list }}
{{- range . }}
{{- $rules = append $rules (omit . "why") }}
{{- end }}
{{- toYaml $rules }}
{{- end }}

{{/* The namespaces in which the controller may handle Secrets, as a JSON list. */}}
{{- define "devportal.secretNamespaces" -}}
{{- $names := append .Values.secretAccess.namespaces .Values.kuadrantNamespace }}
{{- /* Nothing is found where no cluster is asked, as by `helm template`. */}}
{{- range (lookup "v1" "Namespace" "" "").items }}
{{- $label := index (default dict .metadata.labels) (include "devportal.consumersLabel" $) }}
{{- /* Nothing can be created in a namespace that is being deleted. */}}
{{- if and (eq (default "" $label) "true") (not .metadata.deletionTimestamp) }}
{{- $names = append $names .metadata.name }}
{{- end }}
{{- end }}
{{- $names | uniq | sortAlpha | toJson }}
{{- end }}
