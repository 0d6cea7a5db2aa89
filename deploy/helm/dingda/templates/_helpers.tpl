{{/* Names and parts that several templates share. */}}

{{- define "dingda.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Short enough for what is appended to it: a name may have 63 characters. */}}
{{- define "dingda.fullname" -}}
{{- $name := include "dingda.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What selects the pods of this release: it may never change, and no other release has it. */}}
{{- define "dingda.release" -}}
app.kubernetes.io/name: {{ include "dingda.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* What selects the pods of one component; of a dict with `root` and `component`. */}}
{{- define "dingda.selector" -}}
{{ include "dingda.release" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "dingda.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "dingda.release" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* A component's object: its name and its labels. */}}
{{- define "dingda.metadata" -}}
name: {{ include "dingda.fullname" .root }}-{{ .component }}
labels:
  {{- include "dingda.labels" .root | nindent 2 }}
  app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "dingda.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A setting as the environment has it: Helm reads 1000000 as a float, and would write 1e+06. */}}
{{- define "dingda.setting" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) -}}
{{ int64 . | toString | quote }}
{{- else -}}
{{ toString . | quote }}
{{- end -}}
{{- end -}}

{{- define "dingda.queue" -}}
{{ default "dingda" .Values.settings.DINGDA_QUEUE }}
{{- end -}}

{{/* A pod's own part, in front of its `spec`'s first key. */}}
{{- define "dingda.template" -}}
metadata:
  labels:
    {{- include "dingda.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
  # A change of a setting starts the pods again.
  annotations:
    checksum/settings: {{ toJson (list .root.Values.settings .root.Values.secrets) | sha256sum }}
    {{- with .root.Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* What the restricted profile of pod security wants, and what every pod of ours has. */}}
{{- define "dingda.pod" -}}
serviceAccountName: {{ include "dingda.fullname" . }}
automountServiceAccountToken: false
# Kubernetes would set DINGDA_PORT for a Service called dingda.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: 64Mi}
{{- end -}}

{{- define "dingda.container" -}}
image: {{ include "dingda.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
envFrom:
  - configMapRef: {name: {{ include "dingda.fullname" . }}}
{{- with .Values.existingSecret }}
  - secretRef: {name: {{ . }}}
{{- end }}
{{- if .Values.secrets }}
  - secretRef: {name: {{ include "dingda.fullname" . }}}
{{- end }}
{{- end -}}

{{/* Pods of one component apart from each other: on several machines, and in several zones. */}}
{{- define "dingda.spread" -}}
topologySpreadConstraints:
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    matchLabelKeys: [pod-template-hash]
    labelSelector:
      matchLabels: {{ include "dingda.selector" $ | nindent 8 }}
{{- end }}
{{- end -}}

{{- define "dingda.disruptions" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{ include "dingda.metadata" . | nindent 2 }}
spec:
  maxUnavailable: 1
  # Otherwise pods that crash would keep a machine from being emptied.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{ include "dingda.selector" . | nindent 6 }}
{{- end -}}
