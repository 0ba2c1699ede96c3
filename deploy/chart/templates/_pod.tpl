{{/* What a pod of ours may do to its node: nothing. Accepted by the restricted Pod Security Standard. */}}
{{- define "devportal.podSecurity" -}}
runAsNonRoot: true
{{- with .Values.runAsUser }}
runAsUser: {{ int64 . }}
runAsGroup: {{ int64 . }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "devportal.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "devportal.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end }}
{{- end }}
{{- end }}

{{/*
The beginning of a container. Takes root.
*/}}
{{- define "devportal.container" -}}
image: {{ include "devportal.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
# What `kubectl describe pod` says of a container that failed.
terminationMessagePolicy: FallbackToLogsOnError
securityContext:
  {{- include "devportal.containerSecurity" .root | nindent 2 }}
{{- end }}

{{/*
What the template of a Deployment's pod begins with, up to its containers. Takes root,
component, account and of, the values of the component.
*/}}
{{- define "devportal.podTemplate" -}}
metadata:
  labels:
    {{- include "devportal.labels" . | nindent 4 }}
    {{- with .of.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .of.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ .account }}
  automountServiceAccountToken: true
  enableServiceLinks: false
  {{- with .root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . | quote }}
    {{- end }}
  {{- end }}
  securityContext:
    {{- include "devportal.podSecurity" .root | nindent 4 }}
  terminationGracePeriodSeconds: {{ int64 .of.terminationGracePeriodSeconds }}
  {{- with .of.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  {{- with .of.extraVolumes }}
  volumes:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .of.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .of.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .of.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if .of.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- range .of.topologySpreadConstraints }}
    {{- $constraint := deepCopy . }}
    {{- if not (hasKey . "labelSelector") }}
    {{- $_ := set $constraint "labelSelector" (dict "matchLabels" (include "devportal.selector" $ | fromYaml)) }}
    {{- end }}
    {{- list $constraint | toYaml | nindent 4 }}
    {{- end }}
  {{- end }}
{{- end }}

{{/* Whereto a process tells of traces, as variables. Takes root and of, and the variable POD_NAMESPACE. */}}
{{- define "devportal.traces" -}}
{{- with (.root.Values.traces).endpoint -}}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ . | quote }}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- $names := list }}
{{- range $.of.extraEnv }}
{{- $names = append $names .name }}
{{- end }}
{{- if not (has "OTEL_RESOURCE_ATTRIBUTES" $names) }}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: k8s.namespace.name=$(POD_NAMESPACE),k8s.pod.name=$(POD_NAME)
{{- end }}
{{- end }}
{{- end }}

{{/* One update at a time, and never fewer ready pods than there were. */}}
{{- define "devportal.strategy" -}}
type: RollingUpdate
rollingUpdate:
  maxUnavailable: 0
  maxSurge: 1
{{- end }}
